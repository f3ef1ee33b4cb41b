"""Checkpoints: folders of safetensors and JSON with a manifest, complete or not there at all.

    checkpoints/step-00000500/model.safetensors   what sampling needs: the EMA generator
                              train.safetensors   what resuming needs besides
                              state.json          counters, config, versions
                              MANIFEST.json       size and sha256 of each file

A checkpoint is written into a temporary folder, flushed to the disk, and appears by one rename.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from vidgan_core.errors import CheckpointError

MANIFEST = "MANIFEST.json"
MODEL = "model.safetensors"
TRAIN = "train.safetensors"
STATE = "state.json"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A verified checkpoint in memory."""

    path: Path
    model: Mapping[str, Tensor]
    train: Mapping[str, Tensor]
    state: Mapping[str, Any]
    model_hash: str  # sha256 of model.safetensors


def save(
    folder: Path,
    step: int,
    *,
    model: Mapping[str, Tensor],
    train: Mapping[str, Tensor],
    state: Mapping[str, Any],
) -> Path:
    """Write the checkpoint of a step below `folder` and return its path.

    If anything fails the exception is passed on and earlier checkpoints are as they were.
    """
    final = folder / f"step-{step:08d}"
    temporary = folder / f".tmp-{final.name}-{os.getpid()}"
    _sweep(folder)
    temporary.mkdir(parents=True)
    try:
        files = {
            MODEL: _tensors(model),
            TRAIN: _tensors(train),
            STATE: _json(state),
        }
        manifest = {
            name: {"size": len(data), "sha256": _sha256(data)} for name, data in files.items()
        }
        for name, data in {**files, MANIFEST: _json(manifest)}.items():
            _write(temporary / name, data)
        _fsync(temporary)
        if final.exists():  # of a run that went on from an earlier checkpoint
            shutil.rmtree(final)
        temporary.rename(final)
        _fsync(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return final


def load(path: Path) -> Checkpoint:
    """Read a checkpoint, every byte checked against the manifest. Raises CheckpointError."""
    manifest = _parse(path / MANIFEST, _read(path / MANIFEST))
    files = {}
    for name in (MODEL, TRAIN, STATE):
        files[name] = _read(path / name)
        expected = manifest.get(name)
        if not isinstance(expected, dict):
            raise CheckpointError(f"{path / MANIFEST} says nothing of {name}")
        if len(files[name]) != expected.get("size"):
            raise CheckpointError(
                f"{path / name} is damaged: it has {len(files[name])} bytes "
                f"instead of {expected.get('size')}"
            )
        if _sha256(files[name]) != expected.get("sha256"):
            raise CheckpointError(f"{path / name} is damaged: its checksum is wrong")
    try:
        model, train = (safetensors.torch.load(files[name]) for name in (MODEL, TRAIN))
    except SafetensorError as error:
        raise CheckpointError(f"{path}: {error}") from None
    state = _parse(path / STATE, files[STATE])
    return Checkpoint(path, model, train, state, _sha256(files[MODEL]))


def model_hash(model: Mapping[str, Tensor]) -> str:
    """Return the sha256 that model.safetensors has, or would have, with these tensors."""
    return _sha256(_tensors(model))


def available(folder: Path) -> list[Path]:
    """The checkpoints below `folder`, complete or damaged, oldest first."""
    return sorted(p for p in folder.glob("step-*") if p.is_dir())


def newest(folder: Path) -> Checkpoint | None:
    """Return the newest healthy checkpoint, None if none was ever completed.

    Says on stderr which newer ones are damaged. Raises CheckpointError if all of them are.
    """
    damaged: list[str] = []
    for path in reversed(available(folder)):
        try:
            checkpoint = load(path)
        except CheckpointError as error:
            damaged.append(str(error))
            continue
        for message in damaged:
            print(f"warning: {message}; using {path.name} instead", file=sys.stderr)
        return checkpoint
    if damaged:
        raise CheckpointError(f"no healthy checkpoint in {folder}: " + "; ".join(damaged))
    return None


def prune(folder: Path, keep: int) -> None:
    """Delete all but the last `keep` checkpoints."""
    for path in available(folder)[:-keep]:
        shutil.rmtree(path)


def _tensors(tensors: Mapping[str, Tensor]) -> bytes:
    """Serialise tensors in the plain layout, which the format wants, each in its own memory."""
    plain = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    return safetensors.torch.save(plain)


def _sweep(folder: Path) -> None:
    """Remove what saves that were killed have left."""
    for path in folder.glob(".tmp-step-*"):
        shutil.rmtree(path, ignore_errors=True)


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _fsync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} can't be read: {error.strerror}") from None


def _parse(path: Path, data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} does not hold an object")
    return value


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True, allow_nan=False).encode()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


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


def section(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors named ``prefix.*``, without the prefix."""
    start = f"{prefix}."
    return {n.removeprefix(start): t for n, t in tensors.items() if n.startswith(start)}


def prefixed(prefix: str, tensors: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """Return the tensors under names that start with ``prefix.``."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors}
