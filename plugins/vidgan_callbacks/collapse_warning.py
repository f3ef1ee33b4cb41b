"""Warns, once, of a game that stands still: a discriminator never wrong, or clips all the same."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from vidgan_core import hookimpl
from vidgan_core.training.run import Run

PATIENCE = 1000  # steps: a discriminator that is ahead for a while is how these games begin
SURE = 0.999  # of the pairs of a real and a generated clip
GREY_LEVEL = 2 / 255  # the smallest difference between two pixels that a file can hold

ADVICE = {
    "accuracy": "the discriminator has told every generated clip from a real one for {} steps, so "
    "the generator may have nothing left to learn from; a term that restrains the discriminator, "
    "a lower trainer.lr, fewer trainer.d_steps, or another loss may help",
    "spread": "the generated clips of a batch have been all the same for {} steps (mode "
    "collapse); another loss, a lower trainer.lr, a larger batch, or going back to an earlier "
    "checkpoint may help",
}


class CollapseWarning:
    """Looks at each tick's figures; what lasts for `patience` steps is worth a warning."""

    def __init__(self, patience: int = PATIENCE) -> None:
        self._patience = patience
        self._since: dict[str, int] = {}
        self._warned: set[str] = set()

    @hookimpl
    def vidgan_step_end(self, run: Run, scalars: Mapping[str, float] | None) -> None:
        """Compare a tick's means with the limits."""
        if scalars is None:
            return
        sure = scalars.get("discriminator/accuracy", 0) > SURE
        self._watch("accuracy", run.step, sure and not run.parts.loss.wants_optimal)
        alike = scalars.get("generator/spread", 1) < GREY_LEVEL
        # The only clip of a batch has nothing to differ from.
        self._watch("spread", run.step, alike and run.config.data.batch > 1)

    def _watch(self, name: str, step: int, bad: bool) -> None:
        if not bad:
            self._since.pop(name, None)
            return
        lasted = step - self._since.setdefault(name, step)
        if lasted >= self._patience and name not in self._warned:
            self._warned.add(name)
            print(f"warning: step {step}: {ADVICE[name].format(lasted)}", file=sys.stderr)
