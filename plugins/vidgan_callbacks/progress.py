"""How far a run is: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Self

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column

from vidgan_core import hookimpl
from vidgan_core.errors import printable
from vidgan_core.streams import drawing
from vidgan_core.training.run import Run

SECONDS_BETWEEN_LINES = 5.0


def introduce(run: Run) -> None:
    """Say on stderr what is about to be trained."""
    config, parts = run.config, run.parts
    millions = [
        sum(p.numel() for p in n.parameters()) / 1e6 for n in (parts.generator, parts.discriminator)
    ]
    where = f"step {run.step} to" if run.step else "for"
    click.echo(
        f"{printable(str(run.folder.path))}: {config.generator.name} ({millions[0]:.2f} M) against "
        f"{config.discriminator.name} ({millions[1]:.2f} M), {config.loss.name}, "
        f"{len(run.batches.dataset)} clips of {parts.spec} from {config.data.name}, "
        f"{where} {config.steps} steps of {config.data.batch} on {run.device.type} "
        f"in {run.precision.name}" + (f", {run.peers.size} processes" * (run.peers.size > 1)),
        err=True,
    )


def summary(scalars: Mapping[str, float]) -> str:
    """Return the figures of a tick that one wants to see, in one line."""
    words = {
        "loss D": "discriminator/loss",
        "loss G": "generator/loss",
        "D(real)": "discriminator/real",
        "D(fake)": "discriminator/fake",
        "clips/s": "clips_per_second",
    }
    shown = [f"{label} {scalars[name]:.3g}" for label, name in words.items() if name in scalars]
    if skipped := scalars.get("skipped"):
        shown.append(f"skipped {skipped:g}")
    return "  ".join(shown)


class ProgressBar:
    """A bar on a terminal: step, losses, D(real), D(fake), clips/s, time left."""

    def __init__(self, console: Console) -> None:
        self._bar = Progress(
            # Where a terminal is narrow the figures are cut short, never the step or the time left.
            MofNCompleteColumn(table_column=Column(no_wrap=True)),
            BarColumn(bar_width=12, table_column=Column(min_width=12)),
            TimeRemainingColumn(table_column=Column(no_wrap=True, min_width=7)),
            TextColumn("{task.description}", table_column=Column(ratio=1, overflow="ellipsis")),
            console=console,
            expand=True,
        )

    @hookimpl
    def vidgan_fit_start(self, run: Run) -> None:
        """Show the bar."""
        self._task = self._bar.add_task("", total=run.config.steps, completed=run.step)
        self._bar.start()

    @hookimpl
    def vidgan_step_end(self, run: Run, scalars: Mapping[str, float] | None) -> None:
        """Move the bar; show new figures when there are some."""
        self._bar.update(self._task, completed=run.step)
        if scalars is not None:
            self._bar.update(self._task, description=summary(scalars))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


class ProgressLines:
    """A line every few seconds, for logs."""

    def __init__(self) -> None:
        self._last = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    @hookimpl
    def vidgan_step_end(self, run: Run, scalars: Mapping[str, float] | None) -> None:
        """Print the figures of a tick unless a line was printed just now."""
        last_step = run.step >= run.config.steps
        if scalars is None or not (
            last_step or time.monotonic() - self._last > SECONDS_BETWEEN_LINES
        ):
            return
        self._last = time.monotonic()
        line = f"step {run.step}/{run.config.steps}  {summary(scalars)}"
        if not last_step and (rate := scalars["clips_per_second"]):
            left = (run.config.steps - run.step) * run.config.data.batch / rate
            line += f"  {left:.0f} s left"
        print(line, file=sys.stderr, flush=True)


def progress() -> ProgressBar | ProgressLines:
    """Return what suits stderr."""
    console = Console(file=drawing())
    return ProgressBar(console) if console.is_terminal else ProgressLines()
