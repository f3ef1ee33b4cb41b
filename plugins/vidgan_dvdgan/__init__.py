"""Manifest of DVD-GAN."""

from collections.abc import Iterator

from vidgan_core import Component, hookimpl


@hookimpl
def vidgan_components() -> Iterator[Component]:
    """Announce `dvdgan`: recurrent in space and time, judged by frames and by motion."""
    yield Component(
        "generator",
        "dvdgan",
        "vidgan_dvdgan.generator:DVDGenerator",
        "convolutional GRUs and residual blocks, class-conditional BatchNorm (Clark et al. 2019)",
        usual={"discriminator": {"name": "dvdgan"}, "loss": {"name": "hinge"}},
    )
    yield Component(
        "discriminator",
        "dvdgan",
        "vidgan_dvdgan.discriminator:DVDDiscriminator",
        "critics of single frames and of the clip at half its size (Clark et al. 2019)",
    )
