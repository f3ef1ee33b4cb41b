"""Checkpoints: folders of safetensors and JSON with a manifest, complete or not there at all.

    checkpoints/step-00000500/model.safetensors   what sampling needs: the EMA generator
                              train.safetensors   what resuming needs besides
                              state.json          counters, config, versions
                              MANIFEST.json       size and sha256 of each file, and of itself

A checkpoint is written into a temporary folder, flushed to the disk, and appears by one rename.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from vidgan_core.errors import CheckpointError
from vidgan_core.runs.atomic_files import drop, free, fsync, sha256, write
from vidgan_core.runs.safetensors_io import (
    Entry,
    Shapes,
    check_memory,
    open_regular,
    parts,
    read_header,
    read_json,
)

logger = logging.getLogger("vidgan.runs")
MANIFEST = "MANIFEST.json"
MODEL = "model.safetensors"
TRAIN = "train.safetensors"
STATE = "state.json"
FILES = (MODEL, TRAIN, STATE)
TO_SAMPLE = (MODEL, STATE)


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint whose every byte was checked; its tensors are read when they are asked for."""

    path: Path
    manifest: Mapping[str, Mapping[str, Any]]
    state: Mapping[str, Any]
    shapes: Shapes  # of the model's tensors
    dtypes: Mapping[str, torch.dtype]

    @property
    def model_hash(self) -> str:
        """The sha256 of model.safetensors."""
        return str(self.manifest[MODEL]["sha256"])

    @cached_property
    def model(self) -> Mapping[str, Tensor]:
        """The EMA generator's tensors. Raises CheckpointError if the file has changed."""
        return self._tensors(MODEL)

    @cached_property
    def train(self) -> Mapping[str, Tensor]:
        """The tensors of networks, terms and optimizers. Raises CheckpointError as `model`."""
        return self._tensors(TRAIN)

    def _tensors(self, name: str) -> Mapping[str, Tensor]:
        with open_regular(self.path / name) as file:
            data = file.read(self.manifest[name]["size"] + 1)
        if sha256([data]) != self.manifest[name]["sha256"]:
            raise CheckpointError(f"{self.path / name} is damaged: its checksum is wrong")
        try:
            return safetensors.torch.load(data)
        except SafetensorError as error:
            raise CheckpointError(f"{self.path / name}: {error}") from None


def save(
    folder: Path,
    step: int,
    *,
    model: Mapping[str, Tensor],
    train: Mapping[str, Tensor],
    state: Mapping[str, Any],
) -> Path:
    """Write the checkpoint of a step below `folder` and return its path.

    If anything fails the exception is passed on, as a CheckpointError if the disk is to blame,
    and earlier checkpoints are as they were.
    """
    final = folder / f"step-{step:08d}"
    temporary = folder / f".tmp-{final.name}-{os.getpid()}"
    files = {MODEL: parts(model), TRAIN: parts(train), STATE: [_json(state)]}
    needed = sum(len(part) for content in files.values() for part in content)
    try:
        _sweep(folder)
        temporary.mkdir(parents=True)
        manifest: dict[str, dict[str, Any]] = {}
        for name, content in files.items():
            size, digest = write(temporary / name, content)
            manifest[name] = {"size": size, "sha256": digest}
        manifest[MANIFEST] = _seal(manifest)
        write(temporary / MANIFEST, [_json(manifest)])
        fsync(temporary)
        if final.exists():  # damaged or given up: the run went on from an earlier one
            drop(final)
        temporary.rename(final)
        fsync(folder)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise CheckpointError(
            f"can't save {final}: {error.strerror}: it takes {needed} bytes, and "
            f"{free(folder)} are free; earlier checkpoints are intact",
            hint="make room or choose another disk, and go on with --resume",
        ) from None
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return final


def load(path: Path, files: Sequence[str] = FILES) -> Checkpoint:
    """Check every byte of a checkpoint's files against the manifest, in little memory.

    Raises CheckpointError, which names the file, before anything is read whose size or header
    is not what it should be. Sampling needs the files `TO_SAMPLE` alone.
    """
    manifest = _manifest(path / MANIFEST)
    headers: dict[str, Mapping[str, Entry]] = {}
    state: dict[str, Any] = {}
    for name in files:
        with open_regular(path / name) as file:
            size = os.fstat(file.fileno()).st_size
            expected = manifest.get(name, {})
            if size != expected.get("size"):
                raise CheckpointError(
                    f"{path / name} is damaged: it has {size} bytes "
                    f"instead of {expected.get('size')!a}"
                )
            if name != STATE:
                check_memory(str(path / name), size)
                headers[name] = read_header(path / name, file, size)
            file.seek(0)
            if hashlib.file_digest(file, "sha256").hexdigest() != expected.get("sha256"):
                raise CheckpointError(f"{path / name} is damaged: its checksum is wrong")
            if name == STATE:
                file.seek(0)
                state = read_json(path / name, file)
    model = headers.get(MODEL, {})
    shapes = {name: entry.shape for name, entry in model.items()}
    return Checkpoint(path, manifest, state, shapes, {n: entry.dtype for n, entry in model.items()})


def model_hash(model: Mapping[str, Tensor]) -> str:
    """Return the sha256 that model.safetensors has, or would have, with these tensors."""
    return sha256(parts(model))


def available(folder: Path) -> list[Path]:
    """The checkpoints below `folder`, complete or damaged, oldest first."""
    return sorted(
        (p for p in folder.glob("step-*") if p.name[5:].isdecimal() and p.is_dir()), key=step_of
    )


def step_of(path: Path) -> int:
    """Return the step in the name of a checkpoint's folder."""
    return int(path.name.removeprefix("step-"))


def newest(
    folder: Path,
    files: Sequence[str] = FILES,
    accept: Callable[[Checkpoint], bool] = lambda _: True,
) -> Checkpoint | None:
    """Return the newest healthy checkpoint that is accepted, None if there is no such.

    Warns of newer ones that are damaged. Raises CheckpointError if all of them are.
    """
    damaged: list[str] = []
    paths = available(folder)
    for path in reversed(paths):
        try:
            checkpoint = load(path, files)
        except CheckpointError as error:
            damaged.append(str(error))
            continue
        if accept(checkpoint):
            for message in damaged:
                logger.warning("%s; using %s instead", message, path.name)
            return checkpoint
    if damaged and len(damaged) == len(paths):
        raise CheckpointError(f"no healthy checkpoint in {folder}: " + "; ".join(damaged))
    return None


def prune(folder: Path, keep: int, *, newest: int, spare: Collection[int] = ()) -> None:
    """Delete all but the last `keep` checkpoints up to the step `newest`, which was just saved.

    Those of the steps `spare` are kept as well. Later ones are deleted: they are what the run did
    not go on from, damaged ones above all, and counting them could cost the healthy ones.
    """
    drop_after(folder, newest)
    for path in available(folder)[:-keep]:
        if step_of(path) not in spare:
            drop(path)


def drop_after(folder: Path, step: int) -> None:
    """Delete the checkpoints of later steps."""
    for path in available(folder):
        if step_of(path) > step:
            drop(path)


def _sweep(folder: Path) -> None:
    """Remove what saves that were killed have left."""
    for path in folder.glob(".tmp-step-*"):
        shutil.rmtree(path, ignore_errors=True)


def _manifest(path: Path) -> dict[str, dict[str, Any]]:
    with open_regular(path) as file:
        manifest = read_json(path, file)
    if manifest.pop(MANIFEST, None) != _seal(manifest):
        raise CheckpointError(f"{path} is damaged: its checksum is wrong")
    if not all(isinstance(entry, dict) for entry in manifest.values()):
        raise CheckpointError(f"{path} does not hold size and sha256 of each file")
    return manifest


def _seal(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return the manifest's entry for itself, so that damage to it is not taken for another's."""
    return {"sha256": sha256([_json(manifest)])}


def _json(value: Mapping[str, Any]) -> memoryview:
    return memoryview(json.dumps(value, indent=1, sort_keys=True, allow_nan=False).encode())
