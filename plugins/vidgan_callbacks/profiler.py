"""Where a step's time goes: a trace for a viewer, and a table."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext

import click
from torch.profiler import profile, record_function

from vidgan_core.interfaces import Callback, TrainingRun

WARM = 3  # steps before: the first ones allocate memory and choose kernels
STEPS = 5
OPERATORS = 12  # of which the table has a row each

Row = tuple[str, float, int]  # name, seconds, calls


class Profiler(Callback):
    """Records a few steps in the folder `profile` of the run, and prints the table on stderr."""

    def __init__(self) -> None:
        self._steps = 0
        self._started = 0.0
        self._spans: set[str] = set()
        self._profiler: profile | None = None

    order = 100  # the work of other callbacks is no part of a step

    def after_step(self, run: TrainingRun) -> None:
        """Begin and end when the time has come."""
        self._steps += 1
        if self._steps == WARM:
            self._begin(run)
        elif self._steps == WARM + STEPS:
            self._end(run)

    def fit_end(self, run: TrainingRun, finished: bool) -> None:
        """Make do with the steps that there were."""
        self._end(run)

    def close(self) -> None:
        """Stop recording where a run ends with an error: a process records once at a time."""
        if self._profiler is not None:
            self._profiler.stop()
            self._profiler = None

    def _begin(self, run: TrainingRun) -> None:
        self._profiler = profile()
        self._profiler.start()
        run.trainer.span = self._span
        self._started = time.perf_counter()

    def _span(self, name: str) -> AbstractContextManager[object]:
        self._spans.add(name)
        return record_function(name)

    def _end(self, run: TrainingRun) -> None:
        steps = self._steps - WARM
        if self._profiler is None or steps < 1:
            return
        seconds = time.perf_counter() - self._started
        run.trainer.span = nullcontext
        self._profiler.stop()
        folder = run.folder.path / "profile"
        folder.mkdir(exist_ok=True)
        self._profiler.export_chrome_trace(str(folder / "trace.json"))
        text = self._table(self._profiler, steps, seconds)
        self._profiler = None
        (folder / "table.txt").write_text(text, "utf-8")
        click.echo(f"\n{text}{folder}/trace.json opens in chrome://tracing or Perfetto", err=True)

    def _table(self, recorded: profile, steps: int, seconds: float) -> str:
        events = recorded.key_averages()
        phases = [(e.key, e.cpu_time_total / 1e6, e.count) for e in events if e.key in self._spans]
        phases.sort(key=lambda row: -row[1])
        rest = seconds - sum(taken for _, taken, _ in phases)
        phases.append(("everything else", rest, steps))
        operators = [
            (e.key, (e.self_cpu_time_total + e.self_device_time_total) / 1e6, e.count)
            for e in events
            if e.key not in self._spans
        ]
        operators.sort(key=lambda row: -row[1])
        return (
            f"a step, the mean of {steps}: {seconds / steps * 1e3:.2f} ms\n"
            + _rows("part of the step", phases, steps, seconds)
            + _rows("operator, by its own time", operators[:OPERATORS], steps, seconds)
        )


def _rows(title: str, rows: Iterable[Row], steps: int, seconds: float) -> str:
    head = f"\n{title:<44}{'ms':>10}{'share':>8}{'calls':>7}\n"
    return head + "".join(
        f"{name[:43]:<44}{taken / steps * 1e3:>10.3f}{taken / seconds:>8.1%}{calls // steps:>7}\n"
        for name, taken, calls in rows
    )
