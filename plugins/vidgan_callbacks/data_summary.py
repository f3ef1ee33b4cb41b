"""What a run is trained on: how many files were used and how many were not, at start and end."""

from __future__ import annotations

import click

from vidgan_core import hookimpl
from vidgan_core.training.run import Run


class ClipCounts:
    """Prints the data set's own summary, and what was lost on the way."""

    @hookimpl
    def vidgan_fit_start(self, run: Run) -> None:
        """Say what is used."""
        _say(run)

    @hookimpl
    def vidgan_fit_end(self, run: Run) -> None:
        """Say it again, with what could not be read any more."""
        _say(run)


def _say(run: Run) -> None:
    if summary := run.batches.dataset.summary():
        lost = f"; {len(run.batches.lost)} lost since" if run.batches.lost else ""
        click.echo(f"data: {summary}{lost}", err=True)
