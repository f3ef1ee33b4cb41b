"""The folder of a run: its files' places, its creation, and the records kept in it.

runs/00007-conv3d-minimax-skvideo/
  config.toml        resolved; `vidgan run -c config.toml` gives the same run
  environment.json   versions, plugins, device, git state
  metrics.jsonl      one line a tick
  samples/           step-000500.mp4, .gif and .png
  checkpoints/       step-00000500/
  eval/              step-00000500.json
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from weakref import ref

import torch

from vidgan_core.config.resolve import resolve
from vidgan_core.config.schema import RunConfig
from vidgan_core.config.sources import ConfigSources
from vidgan_core.errors import UsageError, VidganError
from vidgan_core.plugins.registry import Registry
from vidgan_core.runs import bookkeeping
from vidgan_core.runs.atomic_files import naming, replace
from vidgan_core.runs.environment import environment
from vidgan_core.runs.folder_lock import FolderLock, take
from vidgan_core.runs.vouched_paths import sign

RUNS = Path("runs")
_UNFINISHED = ".tmp-"


class RunDir:
    """One run's folder.

    While it is locked, each of its paths is that of the locked folder, wherever it was moved to.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock: Callable[[], FolderLock | None] = lambda: None

    @property
    def path(self) -> Path:
        """Where the folder is. Raises VidganError if it was locked here and is gone."""
        if lock := self._lock():
            self._path = lock.follow(self._path)
        return self._path

    @property
    def config_file(self) -> Path:
        """The configuration, resolved."""
        return self.path / "config.toml"

    @property
    def environment_file(self) -> Path:
        """Versions, plugins, device, git state."""
        return self.path / "environment.json"

    @property
    def metrics_file(self) -> Path:
        """A line a tick."""
        return self.path / "metrics.jsonl"

    @property
    def curves_file(self) -> Path:
        """The curves of a finished run."""
        return self.path / "curves.png"

    @property
    def samples(self) -> Path:
        """The pictures."""
        return self.path / "samples"

    @property
    def checkpoints(self) -> Path:
        """A folder a checkpoint."""
        return self.path / "checkpoints"

    @property
    def evaluations(self) -> Path:
        """A file an evaluated step."""
        return self.path / "eval"

    @classmethod
    def create(cls, out: Path | None, name: str) -> RunDir:
        """Make the folder `out`, which must be empty or absent, or ./runs/NUMBER-`name`.

        Raises UsageError if it holds something, VidganError if it can't be written.
        """
        try:
            path = cls._empty(out) if out else cls._next(name)
        except OSError as error:
            raise VidganError(f"can't write to {error.filename}: {error.strerror}") from None
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> RunDir:
        """Return the folder of a run that is there. Raises UsageError if it is no run."""
        folder = cls(path)
        if not path.is_dir():
            raise UsageError(f"{path} is not a folder")
        if not folder.config_file.is_file():
            raise UsageError(f"{path} is not a run: it has no {folder.config_file.name}")
        return folder

    def lock(self) -> object:
        """Keep other processes from training in this folder, as long as the result lives.

        Raises UsageError if one does already. Systems without flock (Windows) are not kept.
        """
        lock = take(self._path)
        if lock:
            self._lock = ref(lock)
        return lock

    @staticmethod
    def is_fresh(path: Path) -> bool:
        """Is there nothing at a path, or what a run leaves that was killed in its first moment?"""
        if not path.exists():
            return True
        return path.is_dir() and all(p.name.startswith(_UNFINISHED) for p in path.iterdir())

    @classmethod
    def _empty(cls, out: Path) -> Path:
        if not cls.is_fresh(out):
            raise UsageError(f"{out} is not empty", hint="--resume auto goes on with a run in it")
        out.mkdir(parents=True, exist_ok=True)
        return out

    @classmethod
    def _next(cls, name: str) -> Path:
        RUNS.mkdir(exist_ok=True)
        used = [int(p.name[:5]) for p in RUNS.iterdir() if p.name[:5].isdecimal()]
        number = max(used, default=-1) + 1
        while True:
            path = RUNS / f"{number:05d}-{name}"
            try:
                path.mkdir()
            except FileExistsError:  # another run has just taken the number
                number += 1
            else:
                return path

    def read_config(self, registry: Registry) -> RunConfig:
        """Return the run's configuration."""
        layers = ConfigSources()
        layers.add_file(self.config_file)
        return resolve(layers, registry)

    def write_records(self, config: RunConfig, registry: Registry, device: torch.device) -> None:
        """Make the folder a run: write configuration and environment, and make its folders."""
        replace(self.config_file, config.toml())
        facts = json.dumps(environment(registry, device) | sign(config), indent=1)
        replace(self.environment_file, facts + "\n")
        self.samples.mkdir(exist_ok=True)
        self.checkpoints.mkdir(exist_ok=True)

    def append_metrics(self, line: Mapping[str, Any]) -> None:
        """Add one line to metrics.jsonl. Raises OSError, for a pipe that nobody reads as well."""
        path, text = self.metrics_file, json.dumps(line) + "\n"
        with naming(path), open(path, "a", encoding="utf-8", opener=_without_waiting) as file:
            file.write(text)

    def read_metrics(self) -> list[dict[str, float]]:
        """Return the lines of metrics.jsonl that hold a step; damaged ones are left out."""
        return bookkeeping.read_lines(self.metrics_file)

    def rewind(self, step: int) -> None:
        """Drop lines and evaluations after `step`: the resumed run writes them again."""
        bookkeeping.rewind_lines(self.metrics_file, step)
        bookkeeping.drop_evaluations(self.evaluations, step)


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK, 0o666)
