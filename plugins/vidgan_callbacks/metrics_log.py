"""A line in metrics.jsonl a tick, and the curves at the end."""

from __future__ import annotations

from collections.abc import Mapping

from vidgan_core import hookimpl
from vidgan_core.media.pictures import Series, curves
from vidgan_core.media.write import write_png
from vidgan_core.training.run import Run


class MetricsLog:
    """Writes metrics.jsonl and curves.png."""

    @hookimpl
    def vidgan_step_end(self, run: Run, scalars: Mapping[str, float] | None) -> None:
        """Add a line a tick."""
        if scalars is not None:
            run.folder.append_metrics({"step": run.step, **scalars})

    @hookimpl
    def vidgan_fit_end(self, run: Run) -> None:
        """Draw what the run has logged from its first step on."""
        lines = run.folder.read_metrics()
        if not lines:
            return

        def series(**named: str) -> Series:
            chosen = {
                label: [(m["step"], m[name]) for m in lines if name in m]
                for label, name in named.items()
            }
            return {label.replace("_", " "): points for label, points in chosen.items()}

        picture = curves(
            {
                "loss": series(discriminator="discriminator/loss", generator="generator/loss"),
                "D(x)": series(real="discriminator/real", fake="discriminator/fake"),
            }
        )
        write_png(run.folder.curves_file, picture)
