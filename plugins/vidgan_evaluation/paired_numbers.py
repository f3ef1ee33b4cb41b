"""Numbers of pairs: means, and the gain over other answers to the same conditions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor

from vidgan_core.errors import VidganError
from vidgan_core.interfaces import Better
from vidgan_evaluation.metric_selection import MetricRun
from vidgan_evaluation.result import OVER
from vidgan_evaluation.standard_error import error_of_mean

Values = Mapping[str, Tensor]  # by number: (N,), one a pair


@dataclass(frozen=True, slots=True)
class Number:
    """A number under the name that it is shown by, and its standard error if that is known."""

    label: str
    value: float
    error: float | None
    better: Better


def paired_numbers(
    run: MetricRun, values: Values, answers: Mapping[str, Values], group: Tensor | None, seed: int
) -> Iterator[Number]:
    """Yield each mean, and by how much it is above that of each other answer.

    A gain is the mean of differences pair by pair: what makes one clip harder than another cancels
    out, and its error is the smaller for it.
    """
    for name, better in run.metric.better.items():
        label, of_pairs = run.label(name), values[name]
        gains = {gain(label, other): of_pairs - found[name] for other, found in answers.items()}
        for shown, rows in {label: of_pairs, **gains}.items():
            yield Number(shown, float(rows.mean()), error_of_mean(rows, group, seed), better)


def gain(label: str, answer: str) -> str:
    """Return the name of a gain, such as ``psnr-over-bicubic``."""
    return f"{label}{OVER}{answer}"


def finite(number: Number) -> Number:
    """Return a number. Raises VidganError for what is none."""
    if not math.isfinite(number.value):
        raise VidganError(f"{number.label} is {number.value}: no number")
    return number
