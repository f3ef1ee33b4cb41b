"""Manifest of the tasks."""

from collections.abc import Iterator

from vidgan_core import Component, hookimpl


@hookimpl
def vidgan_components() -> Iterator[Component]:
    """Announce the tasks."""
    yield Component(
        "task",
        "generation",
        "vidgan_tasks.generation:Generation",
        "clips of noise: the condition is what the data set gives, if anything",
        default=True,
    )
    yield Component(
        "task",
        "sparse-frames",
        "vidgan_tasks.sparse_frames:SparseFrames",
        "training on a few frames of each clip, at random times (Skorokhodov et al. 2022)",
    )
