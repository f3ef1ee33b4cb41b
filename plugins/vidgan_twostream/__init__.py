"""Manifest of the content-and-motion pair."""

from collections.abc import Iterator

from vidgan_core import Component, hookimpl


@hookimpl
def vidgan_components() -> Iterator[Component]:
    """Announce `twostream`."""
    yield Component(
        "generator",
        "twostream",
        "vidgan_twostream.generator:TwoStreamGenerator",
        "content code, recurrent motion codes and a frame decoder (MoCoGAN, Tulyakov et al. 2018)",
        usual={"discriminator": {"name": "twostream"}},
    )
    yield Component(
        "discriminator",
        "twostream",
        "vidgan_twostream.discriminator:TwoStreamDiscriminator",
        "a spatial critic of frames and a temporal critic of clips (MoCoGAN, Tulyakov et al. 2018)",
    )
