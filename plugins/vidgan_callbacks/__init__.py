"""Callbacks: progress, the metrics log, sample pictures, warnings, a profile."""

from collections.abc import Iterator

from vidgan_core import Component, hookimpl


@hookimpl
def vidgan_components() -> Iterator[Component]:
    """Announce the callbacks; all but the profiler are on by default."""
    yield Component(
        "callback",
        "data-summary",
        "vidgan_callbacks.data_summary:DataSummary",
        "number of files that are used and not used, at the start and at the end",
        default=True,
    )
    yield Component(
        "callback",
        "metrics-log",
        "vidgan_callbacks.metrics_log:MetricsLog",
        "scalars in metrics.jsonl, and curves.png at the end",
        default=True,
    )
    yield Component(
        "callback",
        "pictures",
        "vidgan_callbacks.sample_pictures:SamplePictures",
        "samples from fixed noise as mp4, gif and contact sheet",
        default=True,
    )
    yield Component(
        "callback",
        "collapse-warning",
        "vidgan_callbacks.collapse_warning:CollapseWarning",
        "a warning when the discriminator is never wrong, or all samples are alike",
        default=True,
    )
    yield Component(
        "callback",
        "progress",
        "vidgan_callbacks.progress:ProgressReport",
        "progress bar on a terminal, lines elsewhere",
        default=True,
    )
    yield Component(
        "callback",
        "profiler",
        "vidgan_callbacks.profiler:Profiler",
        "profile of a few steps: a trace and a table",
    )
