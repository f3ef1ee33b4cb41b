"""What networks are given: the data set, the task on top of it, and the fields of each network."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from vidgan_core.config.schema import NetworkTable, RunConfig
from vidgan_core.data.fields import PICTURES, check_field
from vidgan_core.data.pairs import PairedDataset, paired_fields
from vidgan_core.errors import UsageError, did_you_mean
from vidgan_core.interfaces.dataset import Dataset, DataSpec, Field, Split
from vidgan_core.interfaces.task import Task
from vidgan_core.plugins.kinds import Kind
from vidgan_core.plugins.registry import Registry


def build_task(config: RunConfig, registry: Registry) -> Task:
    """Make the task of a run, which is built with the clip that a generator is to make."""
    height, width = config.data.height_width
    wanted = DataSpec(config.data.channels, config.data.frames, height, width)
    task = registry.create("task", config.task.name, wanted, options=config.task.options)
    return cast(Task, task)


def build_dataset(config: RunConfig, registry: Registry, split: Split = "train") -> Dataset:
    """Make the data set of a run, of the clips that its task reads."""
    wanted = build_task(config, registry).source
    options = config.data.options
    dataset = registry.create("dataset", config.data.name, wanted, split, options=options)
    return cast(Dataset, dataset)


def build_measured(config: RunConfig, registry: Registry, split: Split) -> Dataset:
    """Make the data set of which a run is measured: the task's pairs, always the same ones."""
    dataset, task = build_dataset(config, registry, split), build_task(config, registry)
    if not task.measured:
        return dataset
    return PairedDataset(dataset, task, (config.task.name, sorted(config.task.options.items())))


def conditioned(dataset: Dataset, task: Task, config: RunConfig) -> DataSpec:
    """Return the clip that a generator is to make, with its whole condition.

    That is what `condition` names of the data set, and then all that the task adds. Raises
    UsageError for a field that there is not.
    """
    fields = {field.name: field for field in paired_fields(dataset, task)[1:]}
    for name in config.condition:
        if name not in fields:
            hint = did_you_mean(name, fields)
            raise UsageError(
                f"condition: data set {config.data.name!r} gives no {name!r}", hint=hint
            )
    names = dict.fromkeys((*config.condition, *(field.name for field in task.fields)))
    for name in names:
        check_field(fields[name])
    return replace(task.spec, condition=tuple(fields[name] for name in names))


def network_spec(
    spec: DataSpec, task: Task | None, kind: Kind, player: str, table: NetworkTable
) -> DataSpec:
    """Return what a network is built with: its clip, and the fields that are not hidden from it.

    A generator makes the whole clip, whatever part of it is trained on. Raises UsageError where
    `hidden` names a field that there is not; without a task the spec is a trained network's own,
    which has lost them.
    """
    names = [field.name for field in spec.condition]
    if task and (unknown := sorted(set(table.hidden) - set(names))):
        hint = did_you_mean(unknown[0], names) if names else "there is no condition"
        raise UsageError(f"{player}.hidden: the condition has no {unknown[0]!r}", hint=hint)
    hidden = set(table.hidden)
    if task and kind == "discriminator":
        hidden |= task.hidden
        spec = replace(task.trained, condition=spec.condition)
    return replace(spec, condition=tuple(f for f in spec.condition if f.name not in hidden))


def refusal(field: Field, kind: Kind, name: str, player: str) -> UsageError:
    """Return the error of a network that can do nothing with a field of its condition."""
    hint = f"--set '{player}.hidden=[\"{field.name}\"]' keeps it from the {player}"
    if kind == "discriminator" and field.kind in PICTURES:
        hint = f"{player}.concat=true joins it with the clip; {hint}"
    return UsageError(
        f"{kind} {name!r} can't be conditioned on {field.name!r}, a {field.kind}", hint=hint
    )
