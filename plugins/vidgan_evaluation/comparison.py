"""What is known of several runs, side by side: their numbers, curves and configurations."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

from vidgan_core.config.schema import RunConfig
from vidgan_core.config.sources import flat
from vidgan_core.errors import UsageError, did_you_mean, printable
from vidgan_core.plugins.registry import Registry
from vidgan_core.runs.folder import RunDir
from vidgan_evaluation import results_store as store
from vidgan_evaluation.result import Result, differences, rank
from vidgan_evaluation.results_store import Evaluation

Points = list[tuple[float, float]]
Curves = Mapping[str, Mapping[int, Result]]  # by run and step
MOST_DIGITS = 12  # after the point
AXES = ("steps", "clips", "time")
# What is no part of the model.
UNTOLD = ("data.workers", "callback", "trainer.report_every", "checkpoint.")


@dataclass(frozen=True)
class Entry:
    """One run."""

    label: str
    folder: RunDir
    config: RunConfig
    metrics: Sequence[Mapping[str, Any]]
    evaluations: Mapping[int, Evaluation]

    @property
    def step(self) -> int:
        """How many steps are logged."""
        return int(self.metrics[-1]["step"]) if self.metrics else 0

    @property
    def seconds(self) -> float:
        """How long they took."""
        return float(self.metrics[-1].get("seconds", 0.0)) if self.metrics else 0.0

    @property
    def clips_a_step(self) -> int:
        """How many real clips are used a step."""
        return self.config.data.batch * int(self.config.game.options.get("d_steps", 1))

    def place(self, step: int, axis: str) -> float:
        """Return where a step lies on an axis of `AXES`; time is in seconds."""
        if axis == "steps":
            return step
        if axis == "clips":
            return step * self.clips_a_step
        steps = [line["step"] for line in self.metrics]
        at = bisect_left(steps, step)
        return float(self.metrics[at].get("seconds", math.nan)) if at < len(steps) else math.nan

    def scalar(self, name: str, axis: str) -> Points:
        """Return the curve of something that is logged each tick."""
        lines = [line for line in self.metrics if name in line]
        return [(self.place(line["step"], axis), float(line[name])) for line in lines]


@dataclass(frozen=True)
class Comparison:
    """Runs, and of each number what they share: by name, run, and for `curves` by step.

    `numbers` are of the latest step, by the protocol with the most clips; curves are by the one
    with the most steps.
    """

    entries: Sequence[Entry]
    numbers: Mapping[str, Mapping[str, Result]]
    curves: Mapping[str, Curves]

    def best(self, name: str) -> str:
        """Return which run is best by a number; nothing where another is within twice the error.

        That is the error of the difference of two: sqrt(a^2 + b^2).
        """
        (label, first), *others = sorted(self.numbers[name].items(), key=lambda item: item[1].cost)
        return label if others and all(_apart(first, other) for _, other in others) else ""

    def ranked(self, name: str) -> Comparison:
        """Return it with the runs in the order of a number, those without it last."""
        if name not in self.numbers:
            raise UsageError(f"no run has {name!r}", hint=did_you_mean(name, self.numbers))
        found = self.numbers[name]
        costs = {label: result.cost for label, result in found.items()}
        order = sorted(self.entries, key=lambda entry: costs.get(entry.label, math.inf))
        return replace(self, entries=order)

    def config_differences(self) -> dict[str, list[str]]:
        """Return the keys of the configurations that differ, and each run's value."""
        configs = [flat(entry.config.model_dump(mode="json")) for entry in self.entries]
        rows = {}
        for key in sorted({key for config in configs for key in config}):
            values = ["-" if config.get(key) is None else _text(config[key]) for config in configs]
            if len(set(values)) > 1 and not key.startswith(UNTOLD):
                rows[key] = values
        return rows


def _apart(one: Result, other: Result) -> bool:
    """Say whether two numbers are further apart than chance; without errors nobody knows."""
    if one.error is None or other.error is None:
        return False
    return abs(other.cost - one.cost) > 2 * math.hypot(one.error, other.error)


def read_runs(paths: Sequence[Path], registry: Registry) -> Comparison:
    """Read the runs. Raises UsageError where numbers of one name are of different protocols."""
    folders = [RunDir.open(path) for path in paths]
    if len({folder.path.resolve() for folder in folders}) < len(folders):
        raise UsageError("the same run is named twice")
    entries = [
        Entry(
            label,
            folder,
            folder.read_config(registry),
            folder.read_metrics(),
            store.read(folder.evaluations),
        )
        for label, folder in zip(_labels(paths), folders, strict=True)
    ]
    names = sorted(
        {n.name for entry in entries for e in entry.evaluations.values() for n in e.numbers},
        key=rank,
    )
    common = {name: _common(name, entries) for name in names}
    latest = {
        name: {label: curve[max(curve)] for label, curve in _choose(found, _clips).items()}
        for name, found in common.items()
    }
    curves = {name: _choose(found, _points) for name, found in common.items()}
    return Comparison(entries, latest, curves)


def _common(name: str, entries: Sequence[Entry]) -> list[Curves]:
    """Return each run's numbers of one name by step, for every protocol that the runs share."""
    found: dict[str, dict[tuple[str, ...], dict[int, Result]]] = {}
    for entry in entries:
        for step, evaluation in entry.evaluations.items():
            for number in evaluation.numbers:
                if number.name == name:
                    of_run = found.setdefault(entry.label, {})
                    of_run.setdefault(number.same, {})[step] = number
    shared = set.intersection(*(set(protocols) for protocols in found.values()))
    if not shared:
        raise UsageError(_refusal(name, found))
    return [{label: of[same] for label, of in found.items()} for same in sorted(shared)]


def _choose(found: Sequence[Curves], by: Callable[[Curves], int]) -> Curves:
    """Return the numbers of one protocol: with most clips or most steps, by what is wanted."""
    return max(found, key=lambda curves: (by(curves), _clips(curves)))


def _clips(curves: Curves) -> int:
    number = next(iter(next(iter(curves.values())).values()))
    found = re.search(r"-n(\d+)", number.protocol)
    return int(found[1]) if found else 0


def _points(curves: Curves) -> int:
    return sum(map(len, curves.values()))


def _refusal(name: str, found: Mapping[str, Mapping[tuple[str, ...], Mapping[int, Result]]]) -> str:
    """Say which runs were measured by different protocols, and by which."""
    pairs = list(combinations(found, 2))
    apart = (pair for pair in pairs if not set(found[pair[0]]) & set(found[pair[1]]))
    first, second = next(apart, pairs[0])
    one = next(n for same, curve in found[first].items() for n in curve.values())
    other = next(
        n for same, curve in found[second].items() for n in curve.values() if same != one.same
    )
    return (
        f"{name} of {printable(first)} and of {printable(second)} can't be compared: "
        f"{differences(one, other)}; evaluate them alike: vidgan eval RUN -n N"
    )


def _labels(paths: Sequence[Path]) -> list[str]:
    """Name runs by their folders, or by their paths where that does not tell them apart."""
    names = [path.resolve().name for path in paths]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def table(comparison: Comparison) -> list[list[str]]:
    """Return the rows of a table with a heading: a number each, a column a run."""
    labels = [entry.label for entry in comparison.entries]
    rows = [
        ["", *map(printable, labels), "floor", "better", "protocol"],
        ["steps", *(str(entry.step) for entry in comparison.entries), "", "", ""],
        ["minutes", *(f"{e.seconds / 60:.1f}" for e in comparison.entries), "", "", ""],
    ]
    for name, of_runs in comparison.numbers.items():
        cells = [figure(of_runs[label]) if label in of_runs else "-" for label in labels]
        one = next(iter(of_runs.values()))
        rows.append([name, *cells, floor(of_runs), one.better, one.protocol])
    return rows


def leaderboard(comparison: Comparison, name: str) -> list[list[str]]:
    """Return a row a run, best first by a number, with the settings in which the runs differ."""
    settings = comparison.config_differences()
    results = comparison.numbers[name]
    rows = [["run", name, "floor", "steps", "minutes", *settings]]
    for place, entry in enumerate(comparison.entries):
        result = results.get(entry.label)
        found = figure(result) if result else "-"
        cells = [found, floor(results), str(entry.step), f"{entry.seconds / 60:.1f}"]
        own = [printable(values[place]) for values in settings.values()]
        rows.append([printable(entry.label), *cells, *own])
    return rows


def floor(of_runs: Mapping[str, Result]) -> str:
    """Return the floor of numbers of one protocol, if there is one."""
    found = [number.floor for number in of_runs.values() if number.floor is not None]
    return f"{found[0]:.4g}" if found else "-"


def figure(number: Result) -> str:
    """Return value and error, to as many digits as the error leaves."""
    if not number.error or not math.isfinite(number.error):
        return f"{number.value:.4g}"
    digits = max(0, 1 - math.floor(math.log10(abs(number.error))))
    if digits > MOST_DIGITS:
        return f"{number.value:.4g} ± {number.error:.2g}"
    return f"{number.value:.{digits}f} ± {number.error:.{digits}f}"
