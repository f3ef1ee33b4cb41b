"""The numbers of a task with a truth as a table: a row a method, a column a number."""

from __future__ import annotations

from collections.abc import Sequence

from vidgan_core.errors import printable
from vidgan_evaluation.comparison import figure
from vidgan_evaluation.result import OVER, Result, rank
from vidgan_evaluation.results_store import Evaluation

Rows = list[list[str]]


def split_paired(numbers: Sequence[Result]) -> tuple[list[Result], list[Result]]:
    """Return the numbers that have gains, with these, and the others."""
    names = {n.name.partition(OVER)[0] for n in numbers if OVER in n.name}
    paired = [n for n in numbers if n.name.partition(OVER)[0] in names]
    return paired, [n for n in numbers if n not in paired]


def paired_table(evaluations: Sequence[Evaluation]) -> Rows:
    """Return the classical methods, each checkpoint, and its gains over them, with a heading.

    All checkpoints are measured with the same pairs, so what classical methods score is the same.
    """
    found = {e.step: {n.name: n for n in split_paired(e.numbers)[0]} for e in evaluations}
    first = next(iter(found.values()))
    names = sorted((name for name in first if OVER not in name), key=rank)
    methods = list(dict.fromkeys(name.partition(OVER)[2] for name in first if OVER in name))
    rows = [["method", *(f"{name} ({first[name].better})" for name in names)]]
    for method in methods:
        scores = [first[name].value - first[f"{name}{OVER}{method}"].value for name in names]
        rows.append([method, *(f"{score:.4g}" for score in scores)])
    for step, numbers in found.items():
        rows.append([f"step {step}", *(figure(numbers[name]) for name in names)])
        for method in methods:
            gains = [numbers[f"{name}{OVER}{method}"] for name in names]
            rows.append([f"  over {method}", *map(_signed, gains)])
    return [[printable(cell) for cell in row] for row in rows]


def protocols(evaluations: Sequence[Evaluation]) -> list[str]:
    """Return the protocols of the table's columns."""
    paired, _ = split_paired(evaluations[0].numbers)
    own = sorted((n for n in paired if OVER not in n.name), key=lambda n: rank(n.name))
    return [printable(number.protocol) for number in own]


def _signed(number: Result) -> str:
    return f"+{figure(number)}" if number.value > 0 else figure(number)
