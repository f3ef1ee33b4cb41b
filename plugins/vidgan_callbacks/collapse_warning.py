"""Warns, once, of a game that stands still: a critic never wrong, or clips that are all alike."""

from __future__ import annotations

import sys
from typing import Annotated

from annotated_types import Ge, Le, doc

from vidgan_core.interfaces import Callback, TrainingRun

SURE = 0.999  # of the pairs of a real and a generated clip
GREY_LEVEL = 2 / 255  # the smallest difference between two pixels that a file can hold

ADVICE = {
    "accuracy": "the discriminator has told every generated clip from a real one for {} steps, so "
    "the generator may have nothing left to learn from; a term that regularizes the "
    "discriminator, a lower optimizer.lr, fewer updates of it a step, or another loss may help",
    "spread": "the generated clips of a batch have been all the same for {} steps (mode "
    "collapse); another loss, a lower optimizer.lr, a larger batch, or going back to an earlier "
    "checkpoint may help",
}


class CollapseWarning(Callback):
    """Reads the scalars that the game names as signs; what lasts is worth a warning."""

    def __init__(
        self,
        *,
        # A discriminator that is ahead for a while is how these games begin.
        patience: Annotated[int, Ge(1), Le(10**9), doc("steps that a sign must last")] = 1000,
    ) -> None:
        self._patience = patience
        self._since: dict[str, int] = {}
        self._warned: set[str] = set()

    def step_end(self, run: TrainingRun, scalars: dict[str, float] | None) -> None:
        """Compare the means with the limits."""
        if scalars is None:
            return
        sure = scalars.get(run.game.accuracy_scalar, 0) > SURE
        self._watch("accuracy", run.step, sure and not run.game.parts.loss.wants_optimal)
        alike = scalars.get(run.game.spread_scalar, 1) < GREY_LEVEL
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
