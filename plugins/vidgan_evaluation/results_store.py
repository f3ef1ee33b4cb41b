"""The evaluations of a run, as JSON next to its checkpoints: a file a step."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vidgan_core.errors import printable
from vidgan_core.runs import bookkeeping
from vidgan_core.runs.atomic_files import replace
from vidgan_evaluation.result import OVER, Result


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured of one checkpoint. `model` is the hash of its generator's weights.

    Of clips that are no checkpoint's, `step` is None and `model` the hash of the clips. `seconds`
    is what the latest evaluation took, clips and features included, without the real side.
    """

    step: int | None
    model: str
    numbers: tuple[Result, ...]
    seconds: float = 0.0


def write(folder: Path, evaluation: Evaluation) -> Path:
    """Add numbers to those of their step and return the file; older ones of the same protocol go.

    So do all that were measured of other weights, from which the run did not go on.
    """
    folder.mkdir(exist_ok=True)
    path = folder / f"step-{evaluation.step:08d}.json"
    before = _load(path)
    known = before.numbers if before and before.model == evaluation.model else ()
    merged = {(n.same, n.seed): n for n in (*known, *evaluation.numbers)}
    facts = {
        "step": evaluation.step,
        "model": evaluation.model,
        "seconds": evaluation.seconds,
        "numbers": [number.json() for number in merged.values()],
    }
    replace(path, json.dumps(facts, indent=1) + "\n")
    return path


def read(folder: Path) -> dict[int, Evaluation]:
    """Return every evaluation of a run by its step, in order; what can't be read is left out.

    So is a file that is about another step than the one in its name.
    """
    files = bookkeeping.evaluation_files(folder)
    found = {step: _load(path) for step, path in files.items()}
    return {step: e for step, e in found.items() if e and e.step == step}


def curve(evaluations: Mapping[int, Evaluation], name: str) -> Mapping[int, Result]:
    """Return the numbers of one name by step, all of one protocol: that of the latest."""
    latest: Result | None = None
    points: dict[int, Result] = {}
    for step in sorted(evaluations, reverse=True):
        for number in evaluations[step].numbers:
            if number.name == name and (latest is None or number.same == latest.same):
                latest = latest or number
                points.setdefault(step, number)
    return dict(sorted(points.items()))


def table(evaluations: Sequence[Evaluation]) -> list[list[str]]:
    """Return the rows of a table with a heading."""
    rows = [["step", "number", "value", "error", "floor", "train", "better", "protocol", "seconds"]]
    for evaluation in evaluations:
        step = "-" if evaluation.step is None else str(evaluation.step)
        for n in evaluation.numbers:
            values = [_figure(v) for v in (n.value, n.error, n.floor, n.train)]
            rows.append([step, n.name, *values, n.better, n.protocol, f"{n.seconds:.1f}"])
    return [[printable(cell) for cell in row] for row in rows]


def common(evaluations: Sequence[Evaluation]) -> list[str]:
    """Return, a line each, the rest of the protocols: what all numbers share."""
    numbers = [number for evaluation in evaluations for number in evaluation.numbers]
    own = [n for n in numbers if OVER not in n.name]
    hashes = sorted({(n.name.rpartition("-")[2], n.features) for n in own})
    first = numbers[0]
    return [
        f"data {first.data[:16]}, {first.split} split, seed {first.seed}, vidgan {first.version}",
        *(f"features {name}: {hash_[:16]}" for name, hash_ in hashes if hash_),
    ]


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _load(path: Path) -> Evaluation | None:
    """Return what a file holds, as far as it is of the right types; None if that is nothing."""
    facts = bookkeeping.read_object(path) or {}
    step, model = bookkeeping.count(facts.get("step")), bookkeeping.text(facts.get("model"))
    listed = facts.get("numbers")
    if step is None or model is None or not isinstance(listed, list):
        return None
    numbers = [Result.parse(values) for values in listed if isinstance(values, dict)]
    seconds = bookkeeping.number(facts.get("seconds")) or 0.0
    return Evaluation(step, model, tuple(filter(None, numbers)), seconds)
