"""Manifest of the modern baseline."""

from collections.abc import Iterator

from vidgan_core import Component, hookimpl


@hookimpl
def vidgan_components() -> Iterator[Component]:
    """Announce `modern`: residual, grouped, without normalisation, relativistic loss, R1 and R2."""
    yield Component(
        "generator",
        "modern",
        "vidgan_modern.networks:ModernGenerator",
        "residual grouped (2+1)D convolutions, no normalisation (after R3GAN, Huang et al. 2024)",
        usual={
            "discriminator": {"name": "modern"},
            "loss": {"name": "rpgan"},
            "term": {"r1": {"weight": 1.0, "every": 4}, "r2": {"weight": 1.0, "every": 4}},
        },
    )
    yield Component(
        "discriminator",
        "modern",
        "vidgan_modern.networks:ModernDiscriminator",
        "the mirror image of the generator (after R3GAN, Huang et al. 2024)",
    )
