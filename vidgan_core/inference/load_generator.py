"""A generator from a checkpoint that nobody vouches for: every claim is checked before it costs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError

from vidgan_core.config.schema import MAX_FRAMES, MAX_SIDE, RunConfig
from vidgan_core.errors import CheckpointError, ComponentError, UsageError, VidganError
from vidgan_core.interfaces import DataSpec, Generator
from vidgan_core.plugins.options import options_model
from vidgan_core.plugins.registry import Registry
from vidgan_core.runs.checkpoint import Checkpoint
from vidgan_core.runs.safetensors_io import Shapes, check_memory
from vidgan_core.tensors import not_finite
from vidgan_core.training.bounded_build import bounded_build
from vidgan_core.training.parts import build_generator


def load_generator(saved: Checkpoint, registry: Registry) -> tuple[Generator, RunConfig]:
    """Return the EMA generator of a checkpoint, in eval mode on the CPU, and its configuration.

    The generator is first built without memory for it, and only made and filled when names and
    shapes of its tensors are the file's. Raises ComponentError for one that is not installed,
    with the distribution that had it, and CheckpointError for anything else that does not fit.
    """
    try:
        config = _checked(RunConfig, saved.state["config"])
        spec = _checked(DataSpec, saved.state["spec"])
        step = saved.state["step"]
        if type(step) is not int or step < 0:
            raise ValueError("the step is not a number")
        _check_size(spec)
        # The clip itself, and the activations of a layer or two beside it.
        check_memory(f"{saved.path}: a clip of {spec}", 4 * 4 * math.prod(spec.shape))
        _check_options(config, saved, registry)
        with torch.device("meta"), bounded_build(len(saved.shapes)):
            sketch = build_generator(config, registry, spec).state_dict()
        _match({name: tuple(t.shape) for name, t in sketch.items()}, saved.shapes)
        _match_types(sketch, saved.dtypes, doubles=config.trainer.precision == "fp64")
        generator = build_generator(config, registry, spec)
        generator.load_state_dict(saved.model)
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


def _check_options(config: RunConfig, saved: Checkpoint, registry: Registry) -> None:
    """Hold the generator's options against its constructor's bounds."""
    name = config.generator.name
    try:
        registry.get("generator", name)
    except UsageError:
        raise ComponentError(
            f"{saved.path} needs the generator {name!a}, which is not installed",
            hint=_origin(saved.state.get("components"), "generator"),
        ) from None
    model = options_model(registry.load("generator", name))
    _checked(model, config.generator.options)


def _origin(components: Any, table: str) -> str:
    """Return which distribution a component was from."""
    try:
        origin: Mapping[str, Any] = components[table]
        distribution, version = origin["distribution"], origin["version"]
    except (KeyError, TypeError):
        return "the checkpoint does not say what it was from"
    return f"it was from the distribution {distribution!a} {version!a}"


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


def _check_size(spec: DataSpec) -> None:
    """Raise ValueError for clips that no configuration could ask for."""
    if spec.frames > MAX_FRAMES or max(spec.height, spec.width) > MAX_SIDE:
        raise ValueError(
            f"clips of {spec}: at most {MAX_FRAMES} frames of {MAX_SIDE} pixels a side"
        )


def _shape(shape: tuple[int, ...] | None) -> str:
    return "absent" if shape is None else str(list(shape))
