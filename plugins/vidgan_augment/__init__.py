"""Manifest of the augmentations of the discriminator's input."""

from collections.abc import Iterator

from vidgan_core import Component, hookimpl


@hookimpl
def vidgan_components() -> Iterator[Component]:
    """Announce `diffaugment`."""
    yield Component(
        "augment",
        "diffaugment",
        "vidgan_augment.diffaugment:DiffAugment",
        "colour, translation and cutout, the same for all frames of a clip (Zhao et al. 2020)",
    )
