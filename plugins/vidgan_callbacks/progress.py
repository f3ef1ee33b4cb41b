"""How far a run is: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping

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
from torch import nn

from vidgan_core.errors import printable
from vidgan_core.interfaces import Callback, TrainingRun
from vidgan_core.streams import drawing

SECONDS_BETWEEN_LINES = 5.0


class ProgressReport(Callback):
    """Says on stderr what is trained, then how far it is."""

    order = 60  # after what adds scalars

    def __init__(self) -> None:
        console = Console(file=drawing())
        self._view: Bar | Lines = Bar(console) if console.is_terminal else Lines()

    def fit_start(self, run: TrainingRun) -> None:
        """Introduce the run and show the bar."""
        click.echo(introduction(run), err=True)
        self._view.start(run)

    def step_end(self, run: TrainingRun, scalars: dict[str, float] | None) -> None:
        """Show the step, and new figures when there are some."""
        self._view.update(run, scalars)

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._view.stop()


def introduction(run: TrainingRun) -> str:
    """Return in a line what is about to be trained."""
    config = run.config
    networks = ", ".join(
        f"{player} {config.networks[player].name} ({_millions(network):.2f} M)"
        for player, network in run.networks.items()
    )
    where = f"step {run.step} to" if run.step else "for"
    processes = f", {run.group.size} processes" * (run.group.size > 1)
    folder, clips = printable(str(run.folder.path)), len(run.batches.dataset)
    return (
        f"{folder}: {networks}, {config.loss.name}, {clips} clips of "
        f"{run.spec} from {config.data.name}, {where} {config.steps} steps of "
        f"{config.data.batch} on {run.device.type} in {run.precision.name}{processes}"
    )


def _millions(network: nn.Module) -> float:
    return sum(p.numel() for p in network.parameters()) / 1e6


def summary(scalars: Mapping[str, float], shown: Mapping[str, str]) -> str:
    """Return a report's main figures in one line: those that the game shows, and the speed."""
    labels = {**shown, "clips/s": "clips_per_second"}
    figures = [f"{label} {scalars[name]:.3g}" for label, name in labels.items() if name in scalars]
    if skipped := scalars.get("skipped"):
        figures.append(f"skipped {skipped:g}")
    return "  ".join(figures)


class Bar:
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

    def start(self, run: TrainingRun) -> None:
        """Show the bar."""
        self._task = self._bar.add_task("", total=run.config.steps, completed=run.step)
        self._bar.start()

    def update(self, run: TrainingRun, scalars: Mapping[str, float] | None) -> None:
        """Move the bar; show new figures when there are some."""
        self._bar.update(self._task, completed=run.step)
        if scalars is not None:
            self._bar.update(self._task, description=summary(scalars, run.game.progress))

    def stop(self) -> None:
        """Leave the terminal as it was."""
        self._bar.stop()


class Lines:
    """A line every few seconds, for logs."""

    def __init__(self) -> None:
        self._last = 0.0

    def start(self, run: TrainingRun) -> None:
        """Nothing to show."""

    def update(self, run: TrainingRun, scalars: Mapping[str, float] | None) -> None:
        """Print the figures of a report unless a line was printed just now."""
        last_step = run.step >= run.config.steps
        if scalars is None or not (
            last_step or time.monotonic() - self._last > SECONDS_BETWEEN_LINES
        ):
            return
        self._last = time.monotonic()
        line = f"step {run.step}/{run.config.steps}  {summary(scalars, run.game.progress)}"
        if not last_step and (rate := scalars["clips_per_second"]):
            left = (run.config.steps - run.step) * run.config.data.batch / rate
            line += f"  {left:.0f} s left"
        print(line, file=sys.stderr, flush=True)

    def stop(self) -> None:
        """Nothing to close."""
