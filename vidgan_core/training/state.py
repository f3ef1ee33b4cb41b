"""Everything that makes a resumed run the same run, as the tensors and the JSON of a checkpoint.

Not in it, for being pure functions of the seed and what is here: the order of the data, the noise
and every other draw (see `rng`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from vidgan_core.config.schema import RunConfig
from vidgan_core.data.batches import Batches
from vidgan_core.device import Precision
from vidgan_core.errors import CheckpointError, VidganError
from vidgan_core.interfaces import DataSpec, Game
from vidgan_core.plugins.kinds import KINDS
from vidgan_core.plugins.registry import Registry, versions
from vidgan_core.runs.checkpoint import Checkpoint, model_hash
from vidgan_core.tensors import not_finite
from vidgan_core.training.distributed.process_group import ProcessGroup
from vidgan_core.training.ema import EMA
from vidgan_core.training.finite_check import DivergedError
from vidgan_core.training.parts import game_class, spec_to_json
from vidgan_core.training.trainer import Trainer

logger = logging.getLogger("vidgan.training")

T = TypeVar("T")
FORMAT = 2  # of checkpoints; 1 was that of vidgan 0.1


class Resumable(Protocol):
    """The parts of a run that its state is made of."""

    config: RunConfig
    registry: Registry
    device: torch.device
    precision: Precision
    group: ProcessGroup
    game: Game
    batches: Batches
    trainer: Trainer
    averages: dict[str, EMA]
    seconds: float

    @property
    def step(self) -> int:
        """How many steps are done."""

    @property
    def spec(self) -> DataSpec:
        """The shape of a clip and the fields of its condition."""


def collect(run: Resumable) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Any]]:
    """Return tensors of the model, tensors of the training, and the rest.

    Raises DivergedError if one of them is not finite: such a state is never saved.
    """
    train: dict[str, Tensor] = {}
    for name, module in modules(run.game).items():
        train |= prefixed(name, module.state_dict().items())
    plain = {}
    for name, optimizer in run.trainer.optimizers.items():
        tensors, plain[name] = flatten(optimizer.state_dict())
        train |= prefixed(f"optimizer.{name}", tensors.items())
    model = model_tensors(run.averages)
    if bad := not_finite({**prefixed("average", model.items()), **train}):
        raise DivergedError(f"step {run.step}: {bad[0]} holds numbers that are not finite")
    state = {
        "format": FORMAT,
        "step": run.step,
        "skipped": run.trainer.skipped,
        "skipped_in_a_row": run.trainer.skipped_in_a_row,
        "rollbacks": run.trainer.noise_stream,
        "ema_updates": {player: a.updates for player, a in run.averages.items()},
        "seconds": run.seconds,
        "optimizers": plain,
        "data": run.batches.dataset.fingerprint,
        "spec": spec_to_json(run.spec),
        "config": run.config.model_dump(mode="json"),
        "components": components(run.config, run.registry),
        "versions": _versions(run),
    }
    return model, train, state


@dataclass(frozen=True, slots=True)
class Received:
    """What another process has gathered; the parts of a `Checkpoint` that `restore` reads."""

    path: str
    model: Mapping[str, Tensor]
    train: Mapping[str, Tensor]
    state: Mapping[str, Any]


def share(run: Resumable) -> None:
    """Make every process what the leader is; called by all of them."""
    model, train, state = collect(run)
    received = Received(
        "what the first process has",
        run.group.share(model),
        run.group.share(train),
        run.group.broadcast(state),
    )
    if not run.group.leads:
        restore(run, received)


def check_same(group: ProcessGroup, tensors: Mapping[str, Tensor], step: int) -> None:
    """Raise VidganError if the processes do not hold the same numbers; called by all of them."""
    if group.size == 1:
        return
    mine = {name: model_hash({name: tensor}) for name, tensor in tensors.items()}
    leaders = group.broadcast(mine)
    different = [name for name in mine if mine[name] != leaders[name]]
    for rank, first in enumerate(group.gather(different[:1])):
        if first:
            raise VidganError(
                f"step {step}: {first[0]} of process {rank} is not what it is in the first process",
                hint="the machines must compute alike: the same processors, torch and plugins",
            )


def model_tensors(averages: Mapping[str, EMA]) -> dict[str, Tensor]:
    """Return the tensors of all averages, by their names in model.safetensors."""
    model: dict[str, Tensor] = {}
    for player, average in averages.items():
        model |= prefixed(player, average.network.state_dict().items())
    return model


def check_format(saved: Checkpoint | Received) -> None:
    """Raise CheckpointError for a checkpoint of another version's layout."""
    found = saved.state.get("format", 1)
    if found != FORMAT:
        when = "before vidgan 0.2" if found == 1 else "by a later version of vidgan"
        raise CheckpointError(f"{saved.path} was saved {when}: this version can't read it")


def restore(run: Resumable, saved: Checkpoint | Received) -> None:
    """Put every tensor and counter back.

    Raises CheckpointError if they don't fit or the data are not the same. Warns when versions
    have changed, which may change the numbers.
    """
    state = saved.state
    check_format(saved)
    try:
        for player, average in run.averages.items():
            average.network.load_state_dict(section(saved.model, player))
            average.updates = state["ema_updates"][player]
        for name, module in modules(run.game).items():
            module.load_state_dict(section(saved.train, name))
        for name, optimizer in run.trainer.optimizers.items():
            tensors = section(saved.train, f"optimizer.{name}")
            load_optimizer(optimizer, unflatten(tensors, state["optimizers"][name]))
        run.trainer.steps_done = state["step"]
        run.trainer.skipped = state["skipped"]
        run.trainer.skipped_in_a_row = state["skipped_in_a_row"]
        run.trainer.noise_stream = state["rollbacks"]
        run.seconds = state["seconds"]
        if state["data"] != run.batches.dataset.fingerprint:
            raise CheckpointError(f"the data set has changed since {saved.path} was saved")
        _compare(state["versions"], _versions(run))
    except (KeyError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{saved.path} does not fit this run: {error}") from None


def components(config: RunConfig, registry: Registry) -> dict[str, dict[str, str]]:
    """Return what provides each component of a run, by its table in the configuration."""
    players = game_class(config, registry).players
    chosen = {p: registry.get(kind, config.networks[p].name) for p, kind in players.items()}
    for kind, info in KINDS.items():
        table: Any = getattr(config, info.table) if info.table else {}
        if info.several:
            chosen |= {f"{kind}.{name}": registry.get(kind, name) for name in table}
        elif info.table:
            chosen[info.table] = registry.get(kind, table.name)
    return {
        table: {
            "name": provided.component.name,
            "distribution": provided.provider.distribution,
            "version": provided.provider.version,
        }
        for table, provided in chosen.items()
    }


def _versions(run: Resumable) -> dict[str, str]:
    """Return what the numbers may depend on that the configuration does not settle."""
    return {
        "torch": str(torch.__version__),
        "device": run.device.type,
        "processes": str(run.group.size),
        "precision": run.precision.name,
        **versions(run.registry),
    }


def _compare(before: Mapping[str, str], now: Mapping[str, str]) -> None:
    for name in sorted(before):
        if now.get(name) != before[name]:
            was, present = ascii(before[name]), ascii(now.get(name))
            logger.warning(
                "%a is %s now and was %s when the run was saved: it may not go on exactly as it "
                "would have",
                *(name, present, was),
            )


def modules(game: Game) -> dict[str, torch.nn.Module]:
    """Everything that is trained or has a state of its own, by the name in a checkpoint."""
    parts = game.parts
    return {
        **parts.networks,
        **{f"term.{weighted.name}": weighted.term for weighted in parts.terms},
        **{f"augment.{augment.name}": augment for augment in parts.augments},
    }


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load an optimizer's state with each tensor laid out in memory as its parameter is.

    A file knows only the plain layout, but fused optimizers walk through parameter and state in
    storage order: without this a channels-last network would resume with its moments shuffled.
    """
    for group in state["param_groups"]:  # JSON has no tuples
        group |= {k: tuple(v) for k, v in group.items() if isinstance(v, list) and k != "params"}
    optimizer.load_state_dict(state)
    for parameter, entries in optimizer.state.items():
        for name, value in entries.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                entries[name] = torch.empty_like(parameter).copy_(value)


def flatten(optimizer_state: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Split `optimizer.state_dict()` into tensors by name and the JSON of the rest."""
    tensors: dict[str, Tensor] = {}
    plain: dict[str, Any] = {}
    for index, entries in optimizer_state["state"].items():
        for name, value in entries.items():
            store: dict[str, Any] = tensors if isinstance(value, Tensor) else plain
            store[f"{index}.{name}"] = value
    return tensors, {"state": plain, "param_groups": optimizer_state["param_groups"]}


def unflatten(tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> dict[str, Any]:
    """Put together again what `flatten` took apart."""
    state: dict[int, dict[str, Any]] = {}
    for key, value in [*tensors.items(), *plain["state"].items()]:
        index, _, name = key.partition(".")
        state.setdefault(int(index), {})[name] = value
    return {"state": state, "param_groups": plain["param_groups"]}


def section(tensors: Mapping[str, T], prefix: str) -> dict[str, T]:
    """Return what is named ``prefix.*``, without the prefix."""
    start = f"{prefix}."
    return {n.removeprefix(start): t for n, t in tensors.items() if n.startswith(start)}


def prefixed(prefix: str, tensors: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """Return the tensors under names that start with ``prefix.``."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors}
