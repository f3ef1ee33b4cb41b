"""How to evaluate: what a user asks for, and whom to tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from vidgan_core.interfaces import Split
from vidgan_evaluation.collect import Watch, unwatched

DEFAULT_N = 2048
SEARCHED = 20_000  # training clips among which copies are looked for: minutes once, then cached


@dataclass(frozen=True, slots=True)
class Request:
    """How to evaluate: `n` clips on each side, or for None up to `at_most`, what there are.

    At most `search` training clips are searched for copies, evenly spread over all. `say` is told
    what a user should know, `watch` how far it is.
    """

    metrics: tuple[str, ...] = ("fast",)
    features: tuple[str, ...] = ()
    n: int | None = None
    at_most: int = DEFAULT_N
    seed: int = 0
    split: Split = "test"
    search: int = SEARCHED
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    watch: Watch = unwatched
    say: Callable[[str], None] = field(default=lambda _: None)
