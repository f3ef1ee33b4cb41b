"""A generator from an untrusted checkpoint: every claim is checked before it costs anything."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError

from vidgan_core.config.schema import MAX_FRAMES, MAX_SIDE, RunConfig
from vidgan_core.data.fields import check_field
from vidgan_core.device import FP32
from vidgan_core.errors import CheckpointError, ComponentError, UsageError, VidganError
from vidgan_core.interfaces import DataSpec, Generator, Network
from vidgan_core.plugins.options import options_model
from vidgan_core.plugins.registry import Registry
from vidgan_core.rng import kept_default
from vidgan_core.runs.checkpoint import Checkpoint
from vidgan_core.runs.safetensors_io import Shapes, check_memory
from vidgan_core.tensors import not_finite, without_memory
from vidgan_core.training.bounded_build import bounded_build
from vidgan_core.training.parts import build_network, game_class
from vidgan_core.training.prepare import prepare_module
from vidgan_core.training.state import check_format, section


def load_generator(
    saved: Checkpoint, registry: Registry, player: str | None = None
) -> tuple[Generator, RunConfig]:
    """Return the EMA generator of a checkpoint, in eval mode on the CPU, and its configuration.

    `player` chooses among the networks of which the game keeps an average; by default it is the
    one that the game samples.
    The generator is first built without memory for it, and only made and filled when names and
    shapes of its tensors are the file's. Raises ComponentError for one that is not installed,
    with the distribution that had it, and CheckpointError for anything else that does not fit.
    """
    try:
        check_format(saved)
        config = _checked(RunConfig, saved.state["config"])
        spec = _checked(DataSpec, saved.state["spec"])
        step = saved.state["step"]
        if type(step) is not int or step < 0:
            raise ValueError("the step is not a number")
        _check_spec(spec)
        # The clip itself, and the activations of a layer or two.
        check_memory(f"{saved.path}: a clip of {spec}", 4 * 4 * math.prod(spec.shape))
        player = _player(config, saved, registry, player)
        _check_owners(saved.shapes, game_class(config, registry).averaged)
        _check_options(config, saved, registry, player)
        with kept_default():  # building seeds it
            shapes, dtypes = section(saved.shapes, player), section(saved.dtypes, player)
            with bounded_build(len(shapes)):
                sketch = _sketch(config, registry, spec, player)
            state = sketch.state_dict()
            _match({name: tuple(t.shape) for name, t in state.items()}, shapes)
            _match_types(state, dtypes, doubles=config.trainer.precision == "fp64")
            on_meta = any(t.is_meta for t in state.values())
            generator = build_network(config, registry, spec, player) if on_meta else sketch
        generator.load_state_dict(section(saved.model, player))
        if not isinstance(generator, Generator):
            raise ValueError(f"{player} makes no clips")
    except VidganError as error:
        if isinstance(error, ComponentError | CheckpointError):
            raise
        raise CheckpointError(f"{saved.path} does not fit its generator: {error}") from None
    except (KeyError, ValueError, TypeError, RuntimeError, OverflowError) as error:
        reason = ascii(str(error))[1:-1][:500]
        raise CheckpointError(f"{saved.path} does not fit its generator: {reason}") from None
    if bad := not_finite(generator.state_dict()):
        raise CheckpointError(f"{saved.path}: {bad[0]} holds numbers that are not finite")
    return generator.eval().requires_grad_(False), config


def _player(config: RunConfig, saved: Checkpoint, registry: Registry, player: str | None) -> str:
    """Return which network is wanted. Raises UsageError for one of which there is no average."""
    try:
        game = game_class(config, registry)
    except UsageError:
        raise ComponentError(
            f"{saved.path} needs the game {config.game.name!a}, which is not installed",
            hint=_origin(saved.state.get("components"), "game"),
        ) from None
    player = player or game.sampled
    if player not in game.averaged or player not in config.networks:
        raise CheckpointError(f"{saved.path} holds no {player!a}", hint=", ".join(game.averaged))
    return player


def _sketch(config: RunConfig, registry: Registry, spec: DataSpec, player: str) -> Network:
    """Build a network without memory for its weights, or as it is where it can't do without.

    A constructor that computes with weights' values fails on the meta device.
    """
    try:
        with without_memory():
            return build_network(config, registry, spec, player)
    except (ComponentError, NotImplementedError, RuntimeError):
        return build_network(config, registry, spec, player)


def load_ready(
    saved: Checkpoint, registry: Registry, device: torch.device, player: str | None = None
) -> tuple[Generator, RunConfig]:
    """Return what `load_generator` does, on a device and with the layers that suit it there."""
    generator, config = load_generator(saved, registry, player)
    channels_last = config.trainer.channels_last
    prepare_module(generator, registry, device, FP32, channels_last=channels_last)
    return generator, config


@lru_cache
def _adapter(model: type) -> TypeAdapter[Any]:
    return TypeAdapter(model)


def _checked(model: type, plain: Any) -> Any:
    """Validate JSON against a model; ValueError with all that is wrong."""
    try:
        # JSON mode is strict about types and yet takes a list where a tuple is wanted.
        return _adapter(model).validate_json(json.dumps(plain), strict=True)
    except ValidationError as error:
        where = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ValueError(where) from None


def _check_options(config: RunConfig, saved: Checkpoint, registry: Registry, player: str) -> None:
    """Hold a network's options against its constructor's bounds."""
    table, kind = config.networks[player], game_class(config, registry).players[player]
    try:
        registry.get(kind, table.name)
    except UsageError:
        raise ComponentError(
            f"{saved.path} needs the {kind} {table.name!a}, which is not installed",
            hint=_origin(saved.state.get("components"), player),
        ) from None
    model = options_model(registry.load(kind, table.name))
    _checked(model, table.options)


def _origin(components: Any, table: str) -> str:
    """Return which distribution a component was from."""
    try:
        origin: Mapping[str, Any] = components[table]
        distribution, version = origin["distribution"], origin["version"]
    except (KeyError, TypeError):
        return "the checkpoint does not say what it was from"
    return f"it was from the distribution {distribution!a} {version!a}"


def _check_owners(names: Iterable[str], players: Sequence[str]) -> None:
    """Raise ValueError for a tensor that belongs to no player."""
    for name in sorted(names):
        if name.partition(".")[0] not in players:
            raise ValueError(f"{name} should be absent")


def _match(wanted: Shapes, found: Shapes) -> None:
    """Raise ValueError, naming a few tensors, unless names and shapes are the same."""
    wrong = [n for n in sorted({*wanted, *found}) if wanted.get(n) != found.get(n)]
    if wrong:
        few = "; ".join(
            f"{n} should be {_shape(wanted.get(n))} and is {_shape(found.get(n))}"
            for n in wrong[:3]
        )
        raise ValueError(f"{len(wrong)} tensors differ: {few}")


def _match_types(
    sketch: Mapping[str, torch.Tensor], found: Mapping[str, torch.dtype], *, doubles: bool
) -> None:
    """Raise ValueError, naming one, if a tensor is of another type than training would save."""
    for name, tensor in sketch.items():
        wide = doubles and tensor.is_floating_point()
        wanted = torch.float64 if wide else tensor.dtype
        if found[name] != wanted:
            raise ValueError(f"{name} should be {wanted} and is {found[name]}")


def _check_spec(spec: DataSpec) -> None:
    """Raise ValueError for clips that no configuration could ask for, and impossible fields."""
    if spec.frames > MAX_FRAMES or max(spec.height, spec.width) > MAX_SIDE:
        raise ValueError(
            f"clips of {spec}: at most {MAX_FRAMES} frames of {MAX_SIDE} pixels a side"
        )
    try:
        for field in spec.condition:
            check_field(field)
    except ComponentError as error:
        raise ValueError(str(error)) from None


def _shape(shape: tuple[int, ...] | None) -> str:
    return "absent" if shape is None else str(list(shape))
