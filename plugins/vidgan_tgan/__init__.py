"""Manifest of TGAN."""

from collections.abc import Iterator

from vidgan_core import Component, hookimpl


@hookimpl
def vidgan_components() -> Iterator[Component]:
    """Announce `tgan`; the paper's discriminator is that of `conv3d`."""
    yield Component(
        "generator",
        "tgan",
        "vidgan_tgan.tgan:TGANGenerator",
        "a temporal generator of frame latents, then an image generator (Saito et al. 2017)",
        usual={
            "discriminator": {"name": "conv3d"},
            "loss": {"name": "wasserstein"},
            "term": {"singular-clip": {"every": 5}},
        },
    )
