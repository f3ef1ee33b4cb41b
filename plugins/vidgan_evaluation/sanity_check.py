"""What metrics make of real clips that were degraded on purpose."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import cycle, islice
from typing import Any

from vidgan_core.config.schema import RunConfig
from vidgan_core.data.cache import digest
from vidgan_core.interfaces import Dataset
from vidgan_core.plugins.registry import Registry
from vidgan_core.rng import keyed
from vidgan_core.training.inputs import build_dataset
from vidgan_evaluation.clip_source import CHUNK, Chunk, Clips, plain, real
from vidgan_evaluation.degradations import DAMAGES, DEGRADATIONS, LONGER, Degradation
from vidgan_evaluation.disjoint_splits import cut, spread
from vidgan_evaluation.evaluator import Evaluator, Real
from vidgan_evaluation.metric_selection import MetricRun, MetricSelector
from vidgan_evaluation.options import Request
from vidgan_evaluation.prepare import choose, clips_each
from vidgan_evaluation.result import protocol

DEFAULT_N = 256
POOL = 4  # times n: among how many clips those of the classes that are left are looked for
TIMES_FLOOR = 3  # what a distance must be of a defect that it is said to see


@dataclass(frozen=True, slots=True)
class Row:
    """The numbers of degraded clips, by their names."""

    defect: str
    strength: float
    meaning: str
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Claim:
    """A metric says that it sees a defect: does its number get worse with the strength of it?"""

    number: str
    defect: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Check:
    """What came out. `clean` are the numbers of real clips that were left as they are."""

    data: str
    n: int
    protocols: Mapping[str, str]
    better: Mapping[str, str]
    clean: Mapping[str, float]
    error: Mapping[str, float]
    rows: Sequence[Row]
    claims: Sequence[Claim]
    seen: Mapping[str, Mapping[str, float]]  # defect -> distance -> how many times its floor

    @property
    def unseen(self) -> list[str]:
        """The defects that no distance sees, though one says that it does."""
        return [d for d, by in self.seen.items() if max(by.values()) < TIMES_FLOOR]

    def failures(self) -> list[str]:
        """Say, a line each, what is not as it should be."""
        said = [
            f"{c.number} does not get worse with {c.defect}" for c in self.claims if not c.holds
        ]
        return said + [f"no distance is {TIMES_FLOOR} times its floor for {d}" for d in self.unseen]


class Lab:
    """Real clips in three parts that share no scene: a reference, clips to degrade, a training set.

    The clips are read `LONGER` times as long as they are measured, so that they can be played
    faster.
    """

    def __init__(self, dataset: Dataset, parts: Sequence[list[int]], n: int, seed: int) -> None:
        self.frames = dataset.spec.frames // LONGER
        self.spec = replace(plain(dataset.spec), frames=self.frames)
        self._dataset = dataset
        self._pool = spread(parts[1], min(len(parts[1]), POOL * n))
        self._n, self._seed = n, seed
        self.reference, self.clean, self.train = (
            self._clips(spread(part, n), what)
            for part, what in zip(parts, ("reference", "real", "training"), strict=True)
        )
        self._numbers, self._copies = spread(parts[1], n), spread(parts[2], n)

    def degraded(self, degradation: Degradation, strength: float) -> Clips | None:
        """Return clips with a defect; None where the data can't have it (a single class)."""
        what = f"{degradation.name} {strength:g}"
        if degradation.name in DAMAGES:
            return self._clips(self._numbers, what, (degradation, strength))
        choose: Mapping[str, Callable[[float], list[int]]] = {
            "classes": self._without_classes,
            "duplicates": lambda k: spread(self._numbers, max(1, round(self._n / k))),
            "copies": self._with_copies,
        }
        chosen = choose[degradation.name](strength)
        return self._clips(list(islice(cycle(chosen), self._n)), what) if chosen else None

    def _with_copies(self, fraction: float) -> list[int]:
        count = round(fraction * self._n)
        return self._copies[:count] + self._numbers[count:]

    @cached_property
    def _class_of(self) -> dict[int, int]:
        """The class of every clip of the pool; films are classes where there are none."""
        labelled = any(field.name == "class" for field in self._dataset.fields)
        label = lambda number: self._dataset.item(number)["class"]  # noqa: E731
        film = lambda number: self._dataset.span(number)[0]  # noqa: E731
        return {number: int((label if labelled else film)(number)) for number in self._pool}

    def _without_classes(self, fraction: float) -> list[int]:
        classes = sorted(set(self._class_of.values()))
        dropped = classes[: max(1, round(fraction * len(classes)))]
        kept = [number for number in self._pool if self._class_of[number] not in dropped]
        return spread(kept, min(len(kept), self._n))

    @cached_property
    def _read(self) -> list[Chunk]:
        """The clips that are degraded, kept for all the ways in which they are."""
        return list(real(self._dataset, self._numbers).chunks())

    def _clips(
        self, numbers: list[int], what: str, damage: tuple[Degradation, float] | None = None
    ) -> Clips:
        whole = real(self._dataset, numbers, what)
        name, strength = (damage[0].name, damage[1]) if damage else ("", 0.0)
        key = digest("sanity", whole.key, self.frames, name, strength, self._seed)
        chunks = partial(self._chunks, whole, name, strength)
        return Clips(whole.n, self.spec, chunks, what, key)

    def _chunks(self, whole: Clips, name: str, strength: float) -> Iterator[Chunk]:
        damage = DAMAGES.get(name)  # type: ignore[call-overload]
        for number, (video, condition) in enumerate(self._read if damage else whole.chunks()):
            rng = keyed(self._seed, "degrade", name, number * CHUNK)
            cut_short = video[:, :, : self.frames].contiguous()
            yield damage(video, strength, rng, self.frames) if damage else cut_short, condition


def check_metrics(config: RunConfig, registry: Registry, request: Request) -> Check:
    """Measure the metrics: real clips against degraded real clips."""
    longer = {"frames": config.data.frames * LONGER}
    long = config.model_copy(update={"data": config.data.model_copy(update=longer)})
    dataset = build_dataset(long, registry, request.split)
    parts = cut(dataset, 3)
    who = f"the {request.split} split of {config.data.name}, in clips of {longer['frames']} frames,"
    n = clips_each(request, parts, who)
    lab = Lab(dataset, parts, n, request.seed)
    have = {"train", *(field.name for field in dataset.fields)}
    choice = choose(MetricSelector(registry, config, lab.spec, have), request, n)
    sides = Real(dataset.fingerprint, request.split, lab.reference, None, lab.train)
    bench = Evaluator(choice, sides, request)
    clean = {number.name: number for number in bench.measure(lab.clean)}
    rows = list(_rows(lab, bench))
    values = {name: number.value for name, number in clean.items()}
    error = {name: number.error or 0.0 for name, number in clean.items()}
    return Check(
        dataset.fingerprint,
        n,
        {name: protocol(name, lab.spec, n, {}) for name in clean},
        {name: number.better for name, number in clean.items()},
        values,
        error,
        rows,
        list(_claims(choice.asked, rows, values, error)),
        _seen(choice.asked, rows, values, error),
    )


def _rows(lab: Lab, bench: Evaluator) -> Iterator[Row]:
    for degradation in DEGRADATIONS:
        for strength in degradation.strengths:
            clips = lab.degraded(degradation, strength)
            if clips is None:
                continue
            gathered = bench.gather(clips)
            found: dict[str, Any] = {}
            for asked in bench.choice.asked:
                values = bench.values(asked, bench.evidence(asked, gathered))
                found |= {asked.label(name): value for name, value in values.items()}
            yield Row(degradation.name, strength, degradation.meaning, found)


def _claims(
    asked_for: Sequence[MetricRun],
    rows: Sequence[Row],
    clean: Mapping[str, float],
    error: Mapping[str, float],
) -> Iterator[Claim]:
    """Hold each metric to what it says it sees, to within its error."""
    for asked in asked_for:
        for name, better in asked.metric.better.items():
            if (label := asked.label(name)) not in clean:
                continue
            sign = 1 if better == "lower" else -1
            for defect in sorted(asked.sees):
                values = [
                    sign * row.values[label]
                    for row in rows
                    if row.defect == defect and label in row.values
                ]
                steps = zip([sign * clean[label], *values], values, strict=False)
                rises = all(after >= before - error[label] for before, after in steps)
                seen = bool(values) and values[-1] > sign * clean[label] + 2 * error[label]
                if values:
                    yield Claim(label, defect, rises and seen)


def _seen(
    asked_for: Sequence[MetricRun],
    rows: Sequence[Row],
    clean: Mapping[str, float],
    error: Mapping[str, float],
) -> dict[str, dict[str, float]]:
    """Return by defect how many times its floor each distance is where the defect is strongest."""
    seen: dict[str, dict[str, float]] = {}
    strongest = {row.defect: row.values for row in rows}
    for asked in asked_for:
        for name in asked.metric.better if asked.metric.distance else ():
            if (label := asked.label(name)) not in clean:
                continue
            floor = max(clean[label], error[label])
            for defect in sorted(asked.sees & strongest.keys()):
                seen.setdefault(defect, {})[label] = strongest[defect][label] / floor
    return seen


def table(check: Check) -> list[list[str]]:
    """Return the rows of a table: `*` where a distance is three times its floor."""
    names = list(check.clean)
    ratios = {(d, name): ratio for d, by in check.seen.items() for name, ratio in by.items()}
    last = {row.defect: row.strength for row in check.rows}

    def cell(row: Row, name: str) -> str:
        strongest = last[row.defect] == row.strength
        mark = "*" if strongest and ratios.get((row.defect, name), 0) >= TIMES_FLOOR else ""
        return f"{row.values[name]:.4g}{mark}" if name in row.values else "-"

    floors = [f"{check.clean[name]:.4g}" for name in names]
    errors = [f"{check.error[name]:.2g}" for name in names]
    return [
        ["defect", "strength", *names],
        ["none (the floor)", "-", *floors],
        ["its error", "-", *errors],
        *([row.defect, f"{row.strength:g}", *(cell(row, n) for n in names)] for row in check.rows),
    ]
