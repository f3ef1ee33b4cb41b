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
    yield Component(
        "task",
        "superresolution",
        "vidgan_tasks.superresolution:SuperResolution",
        "two to four times the height and width of a small video",
    )
    yield Component(
        "task",
        "denoise",
        "vidgan_tasks.denoise:Denoise",
        "a clean video of a noisy one; the noise is known or not",
    )
    yield Component(
        "task",
        "deblock",
        "vidgan_tasks.deblock:Deblock",
        "a video without the traces of JPEG or H.264",
    )
