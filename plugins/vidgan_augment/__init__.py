"""Manifest of the augmentations of what the discriminator sees."""

from collections.abc import Iterator

from vidgan_core import Component, hookimpl


@hookimpl
def vidgan_components() -> Iterator[Component]:
    """Announce `diffaugment`."""
    yield Component(
        "augment",
        "diffaugment",
        "vidgan_augment.diffaugment:DiffAugment",
        "colour, translation and cutout, the same for all frames (Zhao et al. 2020)",
    )
