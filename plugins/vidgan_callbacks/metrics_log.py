"""A line in metrics.jsonl for each report, and the curves at the end."""

from __future__ import annotations

from collections.abc import Mapping

from vidgan_callbacks.curves import Series, curves
from vidgan_core.interfaces import Callback, TrainingRun
from vidgan_core.media.write import write_png


class MetricsLog(Callback):
    """Writes metrics.jsonl and curves.png."""

    order = 50  # what other callbacks add to the scalars is logged as well

    def step_end(self, run: TrainingRun, scalars: dict[str, float] | None) -> None:
        """Add a line."""
        if scalars is not None:
            run.folder.append_metrics({"step": run.step, **scalars})

    def fit_end(self, run: TrainingRun, finished: bool) -> None:
        """Draw what the run has logged from its first step on."""
        lines = run.folder.read_metrics()
        if not lines:
            return

        def series(names: Mapping[str, str]) -> Series:
            return {
                label: [(m["step"], m[name]) for m in lines if name in m]
                for label, name in names.items()
            }

        players = run.game.players
        shown = {"loss": series({p: f"{p}/loss" for p in players})}
        rest = {k: v for k, v in run.game.progress.items() if not v.endswith("/loss")}
        if rest:
            shown["D(x)"] = series(rest)
        write_png(run.folder.curves_file, curves(shown))
