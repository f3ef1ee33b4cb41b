"""Manifest of DVD-GAN."""

from collections.abc import Iterator

from vidgan_core import Component, hookimpl


@hookimpl
def vidgan_components() -> Iterator[Component]:
    """Announce `dvdgan`: a recurrent generator, a spatial and a temporal critic."""
    yield Component(
        "generator",
        "dvdgan",
        "vidgan_dvdgan.generator:DVDGenerator",
        "convolutional GRU, residual blocks, class-conditional BatchNorm (Clark et al. 2019)",
        usual={"discriminator": {"name": "dvdgan"}, "loss": {"name": "hinge"}},
    )
    yield Component(
        "discriminator",
        "dvdgan",
        "vidgan_dvdgan.discriminator:DVDDiscriminator",
        "a critic of single frames and a critic of the clip at half size (Clark et al. 2019)",
    )
