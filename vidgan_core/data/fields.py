"""What a kind of field means: its dtype, its shape, its range. The one place; free of torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from vidgan_core.errors import ComponentError, UsageError, printable
from vidgan_core.interfaces.dataset import DataSpec, Field, FieldKind

VIDEO = "video"  # the name of the clip itself in an item and in a batch
UNKNOWN = 1  # the token of a word that has none of its own; 0 fills up
Number = Literal["whole", "pixel", "real"]


@dataclass(frozen=True, slots=True)
class Rule:
    """What all fields of a kind have in common.

    `number` says what an item holds and what a network is given of it: "whole" is any whole
    number, then int64, in [0, classes); "pixel" is uint8, then a float in [-1, 1]; "real" is a
    finite float, then a float of the run's precision. `axes` names those of one clip's value.
    """

    number: Number
    axes: str


RULES: Mapping[FieldKind, Rule] = {
    "label": Rule("whole", ""),
    "clip": Rule("pixel", "CTHW"),
    "map": Rule("whole", "THW"),
    "vector": Rule("real", "N"),
    "tokens": Rule("whole", "N"),
    "audio": Rule("real", "CN"),
    "time": Rule("real", "T"),
}
PICTURES: frozenset[FieldKind] = frozenset({"clip", "map"})  # what lies on a grid of pixels
_DTYPES: Mapping[Number, Any] = {
    "whole": np.integer,
    "pixel": np.uint8,
    "real": np.floating,
}
_WORDS: Mapping[Number, str] = {"whole": "whole numbers", "pixel": "uint8", "real": "floats"}


def video_field(spec: DataSpec) -> Field:
    """Return the clip of a spec as a field."""
    return Field(VIDEO, "clip", spec.shape)


def check_field(field: Field) -> None:
    """Raise ComponentError for a field that no item could hold."""
    if field.kind not in RULES:
        raise ComponentError(f"the field {field.name!r} is of the unknown kind {field.kind!r}")
    rule = RULES[field.kind]
    if len(field.shape) != len(rule.axes) and field.kind != "label":
        axes = ", ".join(rule.axes)
        raise ComponentError(f"{_name(field)} must have a shape ({axes}), not {field.shape}")
    if rule.number == "whole" and not field.classes:
        raise ComponentError(f"{_name(field)} must say of how many classes it is")
    if field.names and len(set(field.names)) != field.classes:
        raise ComponentError(f"{_name(field)} must have a name of its own for each class, or none")


def check_item(item: Mapping[str, Any], fields: Iterable[Field], where: str) -> None:
    """Raise ComponentError unless an item holds every field in its shape, dtype and range."""
    for field in fields:
        if field.name not in item:
            raise ComponentError(f"{where} has no {field.name!r}, a {field.kind}")
        if problem := _problem(np.asarray(item[field.name]), field):
            raise ComponentError(f"{where}: {_name(field)} {problem}")


def _problem(value: np.ndarray[Any, Any], field: Field) -> str:
    """Say what is wrong with a value; nothing if it is right."""
    number = RULES[field.kind].number
    if value.shape != field.shape:
        return f"has the shape {value.shape}, not {field.shape}"
    if not np.issubdtype(value.dtype, _DTYPES[number]):
        return f"is {value.dtype}, not {_WORDS[number]}"
    if number == "real" and not np.isfinite(value).all():
        return "holds numbers that are not finite"
    if number == "whole" and value.size and field.classes is not None:
        low, high = int(value.min()), int(value.max())
        if low < 0 or high >= field.classes:
            return f"holds {low if low < 0 else high}, outside of [0, {field.classes})"
    return ""


def renamed(value: np.ndarray[Any, Any], has: Field, wanted: Field) -> np.ndarray[Any, Any]:
    """Return labels or tokens by the numbers that their names have in another field.

    Raises UsageError for a class that is not there. An unknown word is one.
    """
    if has.names == wanted.names or not (has.names and wanted.names):
        return value
    numbers = {name: number for number, name in enumerate(wanted.names)}
    names = [has.names[number] for number in value.flat]
    if has.kind != "tokens" and (lost := sorted(set(names) - numbers.keys())):
        raise UsageError(f"{_name(wanted)} has no {printable(lost[0])!r}")
    found = [numbers.get(name, UNKNOWN) for name in names]
    return np.asarray(found, np.int64).reshape(value.shape)


def collate(items: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray[Any, Any]]:
    """Stack the values of items: a row an item. What is not in the first one is left out."""
    return {name: np.stack([item[name] for item in items]) for name in items[0]}


def placeholder(field: Field, n: int) -> np.ndarray[Any, Any]:
    """Return `n` values of a field as items hold them, all of them 0: a stand-in for real ones."""
    dtype = {"whole": np.int64, "pixel": np.uint8, "real": np.float32}[RULES[field.kind].number]
    return np.zeros((n, *field.shape), dtype)


def random_values(field: Field, n: int, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """Return `n` random values of a field as items hold them, to try out what reads them.

    Labels, maps, tokens and pixels are uniform, vectors and sound normal, times in order.
    """
    shape = (n, *field.shape)
    match RULES[field.kind].number:
        case "whole":
            return rng.integers(field.classes or 1, size=shape)
        case "pixel":
            return rng.integers(256, size=shape, dtype=np.uint8)
    if field.kind == "time":
        return np.sort(rng.uniform(0, 4 * field.shape[0], shape), axis=1).astype(np.float32)
    return rng.standard_normal(shape, dtype=np.float32)


def _name(field: Field) -> str:
    return f"the {field.kind} {field.name!r}"
