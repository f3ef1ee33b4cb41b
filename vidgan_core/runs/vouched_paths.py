"""Paths that a run's configuration names: whose word is it that they may be read?

A run of a stranger's may name any path of this machine as its data. Commands that only look at a
run (`eval`, `compare`) read a path outside its folder if the user names it, or if the user has
trained the run here: then environment.json holds a signature of its paths by a key that lies in
the user's own state folder and never leaves it. A run that comes from elsewhere has none, or one
that does not fit, and is asked about.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from vidgan_core.config.schema import RunConfig
from vidgan_core.config.sources import flat
from vidgan_core.errors import CheckpointError, UsageError, printable
from vidgan_core.runs.bookkeeping import read_object
from vidgan_core.runs.safetensors_io import open_regular

TABLES = ("data", "metric", "features")  # whose options are used without a network of the run's
ENTRY = "paths_signed"  # in environment.json
SIZE = 32


def named_paths(config: RunConfig) -> dict[str, Path]:
    """Return the paths that data, metrics and features of a configuration name, by their keys."""
    values = flat(config.model_dump(mode="json", include=set(TABLES)))
    found = {key: text for key, value in values.items() for text in _texts(value)}
    return {key: Path(text).expanduser() for key, text in found.items() if _is_path(text)}


def sign(config: RunConfig) -> dict[str, str]:
    """Return the entry of environment.json for a run that this user trains; empty without paths."""
    paths = named_paths(config)
    key = _key(make=True) if paths else None
    return {ENTRY: _signature(key, paths)} if key else {}


def check_vouched(run: Path, config: RunConfig, named: Collection[str] = ()) -> None:
    """Raise UsageError if a run names a path outside its folder that nobody here vouches for.

    `named` are the keys that the user has given on the command line.
    """
    inside = run.resolve()
    paths = named_paths(config)
    foreign = [
        key for key, path in paths.items()
        if key not in named and not path.resolve().is_relative_to(inside)
    ]  # fmt: skip
    if foreign and not _is_signed(run, paths):
        key = foreign[0]
        raise UsageError(
            f"{printable(str(run))} was not trained here and names {printable(str(paths[key]))} "
            f"({key}), which is outside its folder and is not read",
            hint=f"--data PATH or --set {key}=PATH says what may be read"
            if key == "data.path"
            else f"--set {key}=PATH says what may be read",
        )


def _is_signed(run: Path, paths: Mapping[str, Path]) -> bool:
    recorded = (read_object(run / "environment.json") or {}).get(ENTRY)
    key = _key(make=False)
    if key is None or not isinstance(recorded, str) or not recorded.isascii():
        return False
    return hmac.compare_digest(recorded, _signature(key, paths))


def _signature(key: bytes, paths: Mapping[str, Path]) -> str:
    text = json.dumps({name: str(path.resolve()) for name, path in sorted(paths.items())})
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _is_path(text: str) -> bool:
    """Could a component mean a file by it?"""
    if not text or "\0" in text:
        return False
    try:
        named = text[0] in "~." or "/" in text or os.sep in text or "{" in text
        return named or Path(text).exists()
    except OSError:  # such as a text that is too long for a name
        return False


def _key(*, make: bool) -> bytes | None:
    """Return the user's key, None if there is none or it can't be kept."""
    try:
        folder = Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state").expanduser() / "vidgan"
        path = folder / "key"
        if make and not path.exists():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _write_key(path)
        with open_regular(path) as file:
            own = not hasattr(os, "getuid") or os.fstat(file.fileno()).st_uid == os.getuid()
            key = file.read(SIZE + 1)
    except (OSError, RuntimeError, CheckpointError):  # RuntimeError: a user without a home
        return None
    return key if own and len(key) == SIZE else None


def _write_key(path: Path) -> None:
    """Write a new key for the user's eyes alone; one that another process has made stays."""
    unfinished = path.with_name(f".tmp-key-{os.getpid()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, secrets.token_bytes(SIZE))
        os.close(descriptor)
        os.link(unfinished, path)
    except FileExistsError:
        pass
    finally:
        unfinished.unlink(missing_ok=True)
