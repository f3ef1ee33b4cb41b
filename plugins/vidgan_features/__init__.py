"""Manifest of the features: clips to vectors, for metrics."""

from collections.abc import Iterator

from vidgan_core import Component, hookimpl


@hookimpl
def vidgan_components() -> Iterator[Component]:
    """Announce the features."""
    yield Component(
        "features",
        "lite0",
        "vidgan_features.lite0:Lite0",
        "EfficientNet-Lite0's channels on ImageNet weights, and how they change over time",
    )
    yield Component(
        "features",
        "motion",
        "vidgan_features.motion:Motion",
        "how much clips change, and which way and how evenly blocks move, by block matching",
    )
    yield Component(
        "features",
        "texture",
        "vidgan_features.texture:Texture",
        "colours, and how contrast falls off over octaves and at the edges of blocks",
    )
    yield Component(
        "features",
        "i3d",
        "vidgan_features.i3d:I3D",
        "logits of I3D, which FVD is measured on, from weights of your own",
    )
