"""What is summed up between two lines of metrics.jsonl."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from torch import Tensor

from vidgan_core.interfaces.game import Scalars


@dataclass
class ScalarMeans:
    """Sums of the scalars since the last report; they stay on the device until it is made."""

    started: float = 0.0
    steps: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    sums: dict[str, Tensor] = field(default_factory=dict)

    def add(self, scalars: Scalars | None) -> None:
        """Count a step, skipped (None) or not."""
        self.steps += 1
        for name, value in (scalars or {}).items():
            self.counts[name] += 1
            self.sums[name] = self.sums[name] + value if name in self.sums else value

    def means(self) -> dict[str, float]:
        """Return the means over the steps in which each scalar was there."""
        return {name: float(total) / self.counts[name] for name, total in self.sums.items()}
