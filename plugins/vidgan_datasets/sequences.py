"""Numbered pictures: which belong to one sequence, and where numbers are missing."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import PurePath
from statistics import median

_LAST_NUMBER = re.compile(r"^(.*?)([0-9]+)([^0-9]*)$", re.DOTALL)
MOST_OF = 2 / 3  # of a folder's pictures that must be in sequences for names to count
MOST_GAPS = 0.1  # of the steps between numbers


def natural(name: str) -> list[tuple[int, str]]:
    """Sort key by which frame 9 comes before frame 10."""
    return [(int(d), "") if d else (-1, t) for d, t in re.findall(r"([0-9]+)|([^0-9]+)", name)]


def split_sequences(names: Sequence[str]) -> tuple[dict[str, list[str]], list[str]]:
    """Sort the pictures of a folder into sequences by the name around their last number.

    Returns pattern -> names, and the odd ones that belong to none. Where few names tell of a
    sequence, all pictures are one, in their order, under the pattern "".
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[_pattern(name)].append(name)
    sequences = {p: found for p, found in groups.items() if p and len(found) > 1}
    if sum(map(len, sequences.values())) < MOST_OF * len(names):
        return {"": list(names)}, []
    odd = [name for name in names if _pattern(name) not in sequences]
    return (sequences if len(sequences) > 1 else {"": next(iter(sequences.values()))}), odd


def missing_before(names: Sequence[str]) -> tuple[int, ...]:
    """Return the places of the pictures before which a number is missing.

    Where that is so all over the place, the numbers are times or names, and nothing is missing.
    """
    found = [_LAST_NUMBER.match(PurePath(name).stem) for name in names]
    numbers = [int(match[2]) for match in found if match]
    if len(numbers) < len(names) or len(numbers) < 2:
        return ()
    steps = [b - a for a, b in pairwise(numbers)]
    usual = median(steps)
    missing = tuple(place for place, step in enumerate(steps, 1) if step > 1.5 * usual)
    return missing if len(missing) <= max(2, MOST_GAPS * len(steps)) else ()


def _pattern(name: str) -> str:
    """Return a name with a star for its last number, nothing for one without a number."""
    path = PurePath(name)
    match = _LAST_NUMBER.match(path.stem)
    return f"{match[1]}*{match[3]}{path.suffix.lower()}" if match else ""
