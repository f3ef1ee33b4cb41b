"""What a run notes besides its checkpoints: metrics, which checkpoint was best, evaluations.

None of it decides how the run goes on, so none of it may keep a run from going on. It is read
tolerantly: only from regular files, up to a size and a depth, by type. What is not as it should
be is left out. A checkpoint is the opposite: see `safetensors_io`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from vidgan_core.errors import CheckpointError
from vidgan_core.runs import checkpoint
from vidgan_core.runs.atomic_files import replace
from vidgan_core.runs.safetensors_io import open_regular

MAX_FILE = 16 << 20  # bytes of a file that holds one object
MAX_METRICS = 256 << 20  # bytes of metrics.jsonl: half a million ticks
MAX_LINE = 64 << 10  # bytes of one line of it
MAX_DEPTH = 32
MAX_TEXT = 1000  # characters of a name
MAX_NUMBER = 1e100  # beyond it no figure can be drawn
BEST = "best.json"
_STRUCTURE = re.compile(rb'\\.|["\[\]{}]', re.DOTALL)  # of JSON, an escaped quote being none

Line = dict[str, float]


@dataclass(frozen=True, slots=True)
class Best:
    """The step of the checkpoint, and the number by which it is the best."""

    step: int
    name: str
    value: float


def number(value: Any) -> float | None:
    """Return a number as it is, None for what is none or is not finite."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) <= MAX_NUMBER else None  # also False for NaN


def count(value: Any) -> int | None:
    """Return a step, a seed or another whole number from 0 on, None for what is none."""
    return value if type(value) is int and 0 <= value < 2**63 else None


def text(value: Any) -> str | None:
    """Return a string of a sensible length, None for what is none."""
    return value if isinstance(value, str) and len(value) <= MAX_TEXT else None


def read_object(path: Path) -> dict[str, Any] | None:
    """Return the JSON object of a file, None if it is missing, damaged, huge or no regular file."""
    try:
        with open_regular(path) as file:
            data = file.read(MAX_FILE + 1)
    except (CheckpointError, OSError):
        return None
    found = _parse(data) if len(data) <= MAX_FILE else None
    return found if isinstance(found, dict) else None


def read_lines(path: Path) -> list[Line]:
    """Return the lines of metrics.jsonl that hold a step, each with the numbers in it."""
    return [line for _, line in _lines(path)]


def rewind_lines(path: Path, step: int) -> None:
    """Drop the lines after `step`, and all that are none; what is no file is put aside."""
    kept = [raw for raw, line in _lines(path) if line["step"] <= step]
    if path.is_dir() and not path.is_symlink():
        path.rename(path.with_name(f".tmp-{path.name}-{os.getpid()}-dropped"))
    replace(path, b"".join(kept).decode())


def read_best(folder: Path) -> Best | None:
    """Return what was marked last among the checkpoints below `folder`, if it is still there."""
    facts = read_object(folder / BEST) or {}
    step, name, value = (
        count(facts.get("step")),
        text(facts.get("name")),
        number(facts.get("value")),
    )
    if step is None or name is None or value is None:
        return None
    there = step in map(checkpoint.step_of, checkpoint.available(folder))
    return Best(step, name, value) if there else None


def mark_best(folder: Path, best: Best) -> None:
    """Keep this checkpoint in addition to the newest ones, instead of the one that was the best."""
    replace(folder / BEST, json.dumps(asdict(best)) + "\n")


def evaluation_files(folder: Path) -> dict[int, Path]:
    """Return the files of a run's evaluations by the step in their names, in order."""
    named = {p: p.stem.removeprefix("step-") for p in folder.glob("step-*.json")}
    steps = {int(digits): p for p, digits in named.items() if _is_step(digits)}
    return dict(sorted(steps.items()))


def drop_evaluations(folder: Path, step: int) -> None:
    """Delete the evaluations of later steps."""
    for later, path in evaluation_files(folder).items():
        if later > step:
            with suppress(OSError):  # such as a folder of that name
                path.unlink()


def _is_step(digits: str) -> bool:
    return digits.isascii() and digits.isdecimal() and len(digits) < 19


def _lines(path: Path) -> Iterator[tuple[bytes, Line]]:
    """Yield each good line of metrics.jsonl as it is in the file, and as numbers."""
    try:
        with open_regular(path) as file:
            for raw in _raw_lines(file):
                found = _parse(raw) if len(raw) < MAX_LINE else None
                if isinstance(found, dict) and count(found.get("step")) is not None:
                    yield raw, {k: v for k, v in found.items() if number(v) is not None}
    except (CheckpointError, OSError):
        return


def _raw_lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the whole lines at the start of a file; a longer one comes in parts, none JSON."""
    at = 0
    while at < MAX_METRICS and (raw := file.readline(MAX_LINE)):
        at += len(raw)
        if raw.endswith(b"\n"):
            yield raw


def _parse(data: bytes) -> Any:
    """Return the JSON in some bytes, None where there is none or it is too deep."""
    if data.count(b"[") + data.count(b"{") > MAX_DEPTH and _too_deep(data):
        return None
    try:
        return json.loads(data.decode())
    except ValueError:
        return None


def _too_deep(data: bytes) -> bool:
    """Is JSON nested too deeply? It is not parsed for that.

    A parser that reaches the limit of recursion would make fail what else runs just then: what
    the garbage collector calls, in whatever part of the program.
    """
    depth, quoted = 0, False
    for found in _STRUCTURE.finditer(data):
        token = found[0]
        quoted ^= token == b'"'
        if not quoted:
            depth += (token in (b"[", b"{")) - (token in (b"]", b"}"))
        if depth > MAX_DEPTH:
            return True
    return False
