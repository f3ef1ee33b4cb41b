"""What a run is trained on: how many files are used and how many are not, at start and end."""

from __future__ import annotations

import click

from vidgan_core.interfaces import Callback, TrainingRun


class DataSummary(Callback):
    """Prints the data set's own summary, and what could not be read any more, on stderr."""

    def fit_start(self, run: TrainingRun) -> None:
        """Print what is used."""
        _print(run)

    def fit_end(self, run: TrainingRun, finished: bool) -> None:
        """Print it again, with what was lost since."""
        _print(run)


def _print(run: TrainingRun) -> None:
    if summary := run.batches.dataset.summary():
        lost = f"; {len(run.batches.lost)} lost since" if run.batches.lost else ""
        click.echo(f"data: {summary}{lost}", err=True)
