"""A number with everything that one needs to read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, get_args

from vidgan_core.errors import printable
from vidgan_core.interfaces import Better
from vidgan_core.interfaces.dataset import DataSpec
from vidgan_core.runs.bookkeeping import count, number, text

WORDS = ("name", "protocol", "features", "data", "split", "version")
FIGURES = ("value", "error", "floor", "train", "seconds")
OVER = "-over-"  # between the names of a number and of what it is a gain over


@dataclass(frozen=True, slots=True)
class Result:
    """One number, its protocol, its standard error and what real clips score in its place.

    `floor` is that of the other half of the held-out clips, `train` that of training clips: the
    level that a perfect generator of the training data reaches, both at the same n. Error, floor
    and train are None where there is no such thing.
    """

    name: str  # fd-lite0
    value: float
    error: float | None
    floor: float | None
    better: Better
    protocol: str  # fd-lite0@16f-64px-n2048, and what options of the metric were changed
    features: str  # their fingerprint; empty without
    data: str  # the data set's fingerprint
    split: str
    seed: int
    version: str  # of vidgan
    seconds: float
    train: float | None = None

    @property
    def cost(self) -> float:
        """What is least for the best of several results of one protocol."""
        if self.better == "real":
            target = next((x for x in (self.floor, self.train) if x is not None), self.value)
            return abs(self.value - target)
        return self.value if self.better == "lower" else -self.value

    def __str__(self) -> str:
        floor = "" if self.floor is None else f" (floor {self.floor:.3g})"
        return f"{self.name} {self.value:.3g}{floor}"

    @property
    def same(self) -> tuple[str, ...]:
        """What two numbers must have in common to be compared."""
        return self.protocol, self.features, self.data, self.split, self.version

    def json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Result | None:
        """Return it from plain values that nobody vouches for; None if they are no number's.

        An error, a floor or a level that is not finite counts as none.
        """
        words = {key: _word(values.get(key)) for key in WORDS}
        figures = {key: number(values.get(key)) for key in FIGURES}
        better, seed = values.get("better"), count(values.get("seed"))
        whole = None not in (*words.values(), figures["value"], figures["seconds"], seed)
        if not whole or better not in get_args(Better):
            return None
        return cls(**words, **figures, better=better, seed=seed)  # type: ignore[arg-type]


# What tells most comes first: the distance that papers report, then what it is made of.
FIRST = ("fvd", "fd", "kd", "precision", "recall", "psnr", "ssim")
LINE = 4  # results that a line has room for


def rank(name: str) -> tuple[int, str]:
    """Return a key that sorts names of results by how much they tell, such as ``fd-lite0``."""
    kind = next((k for k in FIRST if name == k or name.startswith(f"{k}-")), "")
    return (FIRST.index(kind) if kind else len(FIRST)), name


def headline(results: Sequence[Result], also: str = "") -> list[Result]:
    """Return the few results that a line has room for: those that come first, and `also`."""
    ordered = sorted(results, key=lambda result: rank(result.name))
    first = [r for r in ordered if rank(r.name)[0] == rank(ordered[0].name)[0]]
    return [r for r in ordered if r in first[:LINE] or r.name == also]


def _word(value: Any) -> str | None:
    """Return a text that a terminal, a chart or a page can show."""
    found = text(value)
    return None if found is None else printable(found)


def protocol(name: str, spec: DataSpec, n: int, changed: Mapping[str, Any]) -> str:
    """Return how a number was found, such as ``fd-lite0@16f-64px-n2048``."""
    size = f"{spec.height}" if spec.height == spec.width else f"{spec.height}x{spec.width}"
    options = "".join(f"+{key}={value}" for key, value in sorted(changed.items()))
    return f"{name}@{spec.frames}f-{size}px-n{n}{options}"


DIFFERENCES = ("protocol", "features", "data", "split", "version")
FIGURES = ("value", "error", "floor", "train", "seconds")


def differences(one: Result, other: Result) -> str:
    """Say in what the protocols of two numbers differ; nothing if they don't."""
    parts = [
        f"{name} {_short(ours)} and {_short(theirs)}"
        for name, ours, theirs in zip(DIFFERENCES, one.same, other.same, strict=True)
        if ours != theirs
    ]
    return ", ".join(parts)


def _short(value: str) -> str:
    """Abbreviate a hash."""
    return value[:12] if len(value) == 64 else value or "none"
