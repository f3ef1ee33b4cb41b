"""Manifest of the features, which map clips to vectors for metrics."""

from collections.abc import Iterator

from vidgan_core import Component, hookimpl


@hookimpl
def vidgan_components() -> Iterator[Component]:
    """Announce the features."""
    yield Component(
        "features",
        "lite0",
        "vidgan_features.lite0:Lite0",
        "channels of EfficientNet-Lite0 (ImageNet weights) and their change over time",
    )
    yield Component(
        "features",
        "motion",
        "vidgan_features.motion:Motion",
        "block matching: direction, evenness and amount of motion",
    )
    yield Component(
        "features",
        "texture",
        "vidgan_features.texture:Texture",
        "colours, contrast over octaves, and steps at the edges of blocks",
    )
    yield Component(
        "features",
        "i3d",
        "vidgan_features.i3d:I3D",
        "logits of I3D, on which FVD is defined; needs its weights",
    )
