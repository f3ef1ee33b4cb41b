"""What metrics make of real clips that were degraded on purpose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vidgan_core.config.schema import RunConfig
from vidgan_core.interfaces import Better
from vidgan_core.plugins.registry import Registry
from vidgan_core.training.inputs import build_dataset
from vidgan_evaluation.degradation_study import DegradationStudy
from vidgan_evaluation.degradations import DEGRADATIONS, LONGER
from vidgan_evaluation.disjoint_splits import split_scenes
from vidgan_evaluation.evaluator import Evaluator, RealClips
from vidgan_evaluation.metric_selection import MetricRun, MetricSelector
from vidgan_evaluation.options import Request
from vidgan_evaluation.prepare import clips_each, select
from vidgan_evaluation.result import protocol

DEFAULT_N = 256
TIMES_FLOOR = 3  # how many times its floor a distance must be to detect a degradation


@dataclass(frozen=True, slots=True)
class Row:
    """The numbers of degraded clips, by their names."""

    degradation: str
    strength: float
    meaning: str
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Claim:
    """A metric claims to be sensitive to a degradation: does its number get worse with it?"""

    number: str
    degradation: str
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
    ratios: Mapping[str, Mapping[str, float]]  # degradation -> distance -> times its floor

    @property
    def undetected(self) -> list[str]:
        """The degradations that no distance detects, though one claims to."""
        return [d for d, by in self.ratios.items() if max(by.values()) < TIMES_FLOOR]

    def failures(self) -> list[str]:
        """Return what is not as it should be, a line each."""
        claims = [c for c in self.claims if not c.holds]
        return [
            *(f"{c.number} does not get worse with {c.degradation}" for c in claims),
            *(f"no distance is {TIMES_FLOOR} times its floor for {d}" for d in self.undetected),
        ]


def check_metrics(config: RunConfig, registry: Registry, request: Request) -> Check:
    """Measure the metrics: real clips against degraded real clips."""
    longer = {"frames": config.data.frames * LONGER}
    long = config.model_copy(update={"data": config.data.model_copy(update=longer)})
    dataset = build_dataset(long, registry, request.split)
    parts = split_scenes(dataset, 3)
    who = f"the {request.split} split of {config.data.name}, in clips of {longer['frames']} frames,"
    n = clips_each(request, parts, who)
    study = DegradationStudy(dataset, parts, n, request.seed)
    have = {"train", *(field.name for field in dataset.fields)}
    selection = select(MetricSelector(registry, config, study.spec, have), request, n)
    real = RealClips(dataset.fingerprint, request.split, study.reference, train=study.train)
    evaluator = Evaluator(selection, real, request)
    clean = {number.name: number for number in evaluator.measure(study.clean)}
    rows = list(_rows(study, evaluator))
    values = {name: number.value for name, number in clean.items()}
    error = {name: number.error or 0.0 for name, number in clean.items()}
    return Check(
        dataset.fingerprint,
        n,
        {name: protocol(name, study.spec, n, {}) for name in clean},
        {name: number.better for name, number in clean.items()},
        values,
        error,
        rows,
        list(_claims(selection.runs, rows, values, error)),
        _ratios(selection.runs, rows, values, error),
    )


def _rows(study: DegradationStudy, evaluator: Evaluator) -> Iterator[Row]:
    for series in DEGRADATIONS:
        for strength in series.strengths:
            clips = study.degraded(series, strength)
            if clips is None:
                continue
            collected = evaluator.collect(clips)
            found: dict[str, Any] = {}
            for run in evaluator.selection.runs:
                values = evaluator.values(run, evaluator.evidence(run, collected))
                found |= {run.label(name): value for name, value in values.items()}
            yield Row(series.name, strength, series.meaning, found)


def _claims(
    runs: Sequence[MetricRun],
    rows: Sequence[Row],
    clean: Mapping[str, float],
    error: Mapping[str, float],
) -> Iterator[Claim]:
    """Check each metric's claims, to within its error."""
    for run in runs:
        for name, better in run.metric.better.items():
            if (label := run.label(name)) not in clean:
                continue
            best = _cost(better, clean[label], clean[label])
            for degradation in sorted(run.sensitive_to):
                values = [
                    _cost(better, row.values[label], clean[label])
                    for row in rows
                    if row.degradation == degradation and label in row.values
                ]
                steps = zip([best, *values], values, strict=False)
                rises = all(after >= before - error[label] for before, after in steps)
                detected = bool(values) and values[-1] > best + 2 * error[label]
                if values:
                    yield Claim(label, degradation, rises and detected)


def _cost(better: Better, value: float, clean: float) -> float:
    """Return what grows as a number gets worse; `clean` is what real clips score."""
    if better == "real":
        return abs(value - clean)
    return value if better == "lower" else -value


def _ratios(
    runs: Sequence[MetricRun],
    rows: Sequence[Row],
    clean: Mapping[str, float],
    error: Mapping[str, float],
) -> dict[str, dict[str, float]]:
    """Return how many times its floor each distance is where each degradation is strongest."""
    ratios: dict[str, dict[str, float]] = {}
    strongest = {row.degradation: row.values for row in rows}
    for run in runs:
        for name in run.metric.better if run.metric.distance else ():
            if (label := run.label(name)) not in clean:
                continue
            floor = max(clean[label], error[label])
            for degradation in sorted(run.sensitive_to & strongest.keys()):
                ratios.setdefault(degradation, {})[label] = strongest[degradation][label] / floor
    return ratios


def table(check: Check) -> list[list[str]]:
    """Return the rows of a table: `*` where a distance is three times its floor."""
    names = list(check.clean)
    ratios = {(d, name): ratio for d, by in check.ratios.items() for name, ratio in by.items()}
    last = {row.degradation: row.strength for row in check.rows}

    def cell(row: Row, name: str) -> str:
        strongest = last[row.degradation] == row.strength
        mark = "*" if strongest and ratios.get((row.degradation, name), 0) >= TIMES_FLOOR else ""
        return f"{row.values[name]:.4g}{mark}" if name in row.values else "-"

    floors = [f"{check.clean[name]:.4g}" for name in names]
    errors = [f"{check.error[name]:.2g}" for name in names]
    return [
        ["degradation", "strength", *names],
        ["none (the floor)", "-", *floors],
        ["its error", "-", *errors],
        *(
            [row.degradation, f"{row.strength:g}", *(cell(row, n) for n in names)]
            for row in check.rows
        ),
    ]
