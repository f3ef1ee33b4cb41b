"""Conditions for samples: classes drawn or named, and the fields of held-out clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vidgan_core.config.resolve import resolve
from vidgan_core.config.schema import DataTable, RunConfig
from vidgan_core.config.sources import ConfigSources
from vidgan_core.data.batch_loader import shuffled
from vidgan_core.data.conversion import on_device
from vidgan_core.data.fields import check_item, collate, renamed, video_field
from vidgan_core.data.words import tokens
from vidgan_core.errors import UsageError, printable
from vidgan_core.interfaces import DataSpec, Field, Tensors
from vidgan_core.interfaces.dataset import Dataset, Split
from vidgan_core.nn.conditioning import CLASS, count_classes
from vidgan_core.plugins.registry import Registry
from vidgan_core.rng import keyed
from vidgan_core.training.inputs import build_measured, build_task, conditioned

LISTED = 20  # names of classes in a message


def needed(spec: DataSpec) -> tuple[Field, ...]:
    """Return the fields that a clip can't be made without: all but times."""
    return tuple(field for field in spec.condition if field.kind != "time")


def only_labels(spec: DataSpec) -> bool:
    """Can a condition be drawn, or does it take real clips?"""
    return all(field.kind == "label" for field in needed(spec))


def draw_condition(
    spec: DataSpec,
    n: int,
    seed: int,
    classes: Sequence[int | str] = (),
    *,
    first: int = 0,
    captions: Sequence[str] = (),
) -> dict[str, Tensor]:
    """Return labels for the fields of a condition: random, or the named classes by turns.

    They are of the clips `first` to `first + n` of the seed, each drawn apart; `captions` go by
    turns as well. Raises UsageError for a field that can't be drawn, and for a class that there is
    not.
    """
    numbers = [class_number(spec, wanted) for wanted in classes]
    clips = range(first, first + n)
    worded = _worded(spec, captions)
    fields = tuple(field for field in needed(spec) if field.name not in worded)
    for field in fields:
        if field.kind != "label":
            raise UsageError(
                f"the condition {field.name!r}, a {field.kind}, can't be drawn",
                hint="--condition-from DATA takes it from real clips"
                + ", --caption TEXT is one" * bool(field.kind == "tokens" and field.names),
            )
    drawn = {field.name: torch.empty((n, *field.shape), dtype=torch.int64) for field in fields}
    for row, clip in enumerate(clips if fields else ()):
        rng = keyed(seed, "sample", "condition", clip)
        for field in fields:
            shape, count = drawn[field.name][row].shape, field.classes or 1
            drawn[field.name][row] = torch.randint(count, shape, generator=rng)
    if numbers:
        drawn[CLASS] = torch.tensor([numbers[clip % len(numbers)] for clip in clips])
    for name, texts in worded.items():
        drawn[name] = torch.from_numpy(np.stack([texts[clip % len(texts)] for clip in clips]))
    return drawn


def _worded(spec: DataSpec, captions: Sequence[str]) -> dict[str, list[NDArray[np.int64]]]:
    """Return the tokens of each caption for the fields that are words."""
    fields = [field for field in spec.condition if field.kind == "tokens" and field.names]
    if captions and not fields:
        raise UsageError("the generator was trained without captions")
    return {f.name: [tokens(caption, f) for caption in captions] for f in fields if captions}


def class_number(spec: DataSpec, wanted: int | str) -> int:
    """Return the number of a class, given that or its name. Raises UsageError without such."""
    known, names = count_classes(spec), names_of(spec)
    if str(wanted) in names:
        return names.index(str(wanted))
    if str(wanted).isdecimal() and len(str(wanted)) < 10 and int(wanted) < known:
        return int(wanted)
    listed = ": " + ", ".join(map(printable, names[:LISTED])) if names else ""
    hint = f"there are {known}, from 0{listed}{', ...' * (len(names) > LISTED)}"
    hint = hint if known else "the generator was trained without any"
    raise UsageError(f"there is no class {printable(str(wanted))}", hint=hint)


def names_of(spec: DataSpec) -> tuple[str, ...]:
    """Return what the classes are called, nothing where they have no names."""
    return next((field.names for field in spec.condition if field.name == CLASS), ())


def class_labels(spec: DataSpec, condition: Tensors) -> list[str]:
    """Return the name of each clip's class, to be shown; nothing where classes have none."""
    names = names_of(spec)
    return [printable(names[int(c)]) for c in condition[CLASS]] if names else []


def rows_of(
    dataset: Dataset, spec: DataSpec, numbers: Sequence[int], *, truth: bool = False
) -> dict[str, Tensor]:
    """Return the condition (n, ...) of some clips of a data set, as `spec` wants it, on the CPU.

    With `truth` the clips themselves, too, as "video". Raises UsageError where the data set has not
    the fields, ComponentError where an item is wrong.
    """
    clip = video_field(dataset.spec)
    fields = (*needed(spec), clip) if truth else needed(spec)
    given = {field.name: field for field in (clip, *dataset.fields)}
    for field in fields:
        if not _fits(found := given.get(field.name), field):
            what = f"gives {_words(found)}" if found else f"has no {field.name!r}"
            raise UsageError(f"the data set {what}, the generator takes {_words(field)}")
    items = []
    for number in numbers:
        item = dataset.item(number)
        check_item(item, [given[field.name] for field in fields], f"clip {number}")
        items.append({f.name: renamed(np.asarray(item[f.name]), given[f.name], f) for f in fields})
    return on_device(collate(items), fields, torch.device("cpu"))


def held_out(
    config: RunConfig,
    registry: Registry,
    spec: DataSpec,
    n: int,
    split: Split = "test",
    *,
    truth: bool = False,
) -> dict[str, Tensor]:
    """Return the condition of `n` clips of a run's data; over again where there are fewer.

    With `truth` the clips themselves, too. The clips stand in an order that is the same for all
    runs and whatever `n`. Raises UsageError where the split is empty or gives other fields than the
    generator takes.
    """
    dataset = build_measured(config, registry, split)
    conditioned(dataset, build_task(config, registry), config)  # says which field is not there
    size = len(dataset)
    if not size:
        raise UsageError(f"the {split} split of {config.data.name!r} holds no clip")
    numbers = [shuffled(row % size, size, 0) for row in range(n)]
    return rows_of(dataset, spec, numbers, truth=truth)


def fixed(
    config: RunConfig, registry: Registry, spec: DataSpec, n: int
) -> dict[str, Tensor] | None:
    """Return the condition of a run's sample pictures: of held-out clips, else of training clips.

    None where it holds labels alone, which need no clips. Where it holds a clip, the real clip of
    each condition is there as "video": what the result is to be compared with.
    """
    if only_labels(spec):
        return None
    truth = any(field.kind == "clip" for field in needed(spec))
    try:
        return held_out(config, registry, spec, n, truth=truth)
    except UsageError:
        return held_out(config, registry, spec, n, "train", truth=truth)


def with_data(config: RunConfig, data: str, registry: Registry) -> RunConfig:
    """Return a run's configuration with other data: a data set's name, or a folder of clips.

    Options of the run's own data set hold for the same one. Raises ConfigError.
    """
    other = ConfigSources()
    other.add_data(data)
    own = config.data.model_dump(mode="json")
    if other.value_at("data", "name") != config.data.name:
        own = {name: own[name] for name in DataTable.model_fields}
    sources = ConfigSources()
    sources.add_tables(config.model_dump(mode="json") | {"data": own}, "the run's configuration")
    sources.add_data(data)
    return resolve(sources, registry)


def _fits(found: Field | None, wanted: Field) -> bool:
    """Is it the same field? Classes and words that have names may have other numbers."""
    if found and found.names and wanted.names:
        found = replace(found, names=wanted.names, classes=wanted.classes)
    return found is not None and replace(found, names=()) == replace(wanted, names=())


def _words(field: Field) -> str:
    plain = replace(field, classes=None, names=())
    of = f" of {field.classes} classes" if field.classes else ""
    return f"{plain.name!r}, a {plain.kind} {plain.shape}{of}"
