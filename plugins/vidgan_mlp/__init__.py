"""Manifest of the fully connected pair."""

from collections.abc import Iterator

from vidgan_core import Component, hookimpl


@hookimpl
def vidgan_components() -> Iterator[Component]:
    """Announce `mlp`, for small clips: at 16x64x64 it has 300 M weights."""
    yield Component(
        "generator",
        "mlp",
        "vidgan_mlp.mlp:MLPGenerator",
        "fully connected, with the layers of the reference code (Goodfellow et al. 2014)",
        usual={"discriminator": {"name": "mlp"}, "data": {"frames": 8, "size": 32}},
    )
    yield Component(
        "discriminator",
        "mlp",
        "vidgan_mlp.mlp:MLPDiscriminator",
        "fully connected, with the layers of the reference code (Goodfellow et al. 2014)",
    )
