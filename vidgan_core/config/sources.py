"""What the user asks for: files, flags and --set, each value with its source."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vidgan_core.errors import Problem, UsageError

KeyPath = tuple[str, ...]  # where a value stands: ("trainer", "lr")


SHORT: Mapping[str, KeyPath] = {  # flags of the command line and keywords of `vidgan_core.train`
    "gen": ("generator", "name"),
    "disc": ("discriminator", "name"),
    "loss": ("loss", "name"),
    "game": ("game", "name"),
    "optimizer": ("optimizer", "name"),
    "task": ("task", "name"),
    "steps": ("steps",),
    "batch": ("data", "batch"),
    "seed": ("seed",),
    "device": ("trainer", "device"),
    "precision": ("trainer", "precision"),
    "eval_every": ("callback", "evaluation", "every"),
}


class ConfigSources:
    """The values that a user gave, later sources over earlier ones, and where each came from."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.sources: dict[KeyPath, str] = {}
        self.problems: list[Problem] = []

    def add_file(self, path: Path) -> None:
        """Add a TOML file. Raises UsageError if it can't be read."""
        try:
            text = path.read_text("utf-8")
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}") from None
        except ValueError as error:
            raise UsageError(f"{path} is not TOML: {error}") from None
        self.add_text(text, str(path))

    def add_text(self, text: str, source: str) -> None:
        """Add the text of a TOML file. Raises UsageError if it is none."""
        try:
            tables = tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{source} is not TOML: {error}") from None
        self.add_tables(tables, source)

    def add_tables(self, tables: Mapping[str, Any], source: str) -> None:
        """Add nested tables from one source."""
        for place, value in _leaves(tables):
            self.add(place, value, source)

    def add(self, place: KeyPath, value: Any, source: str) -> None:
        """Set one value, over what earlier sources gave."""
        if not (_is_utf8(value) and all(map(_is_utf8, place))):
            self.problems.append(Problem(".".join(place), "must be UTF-8 text", source=source))
            return
        table = self.values
        for depth, name in enumerate(place[:-1], 1):
            table = table.setdefault(name, {})
            if not isinstance(table, dict):
                where = ".".join(place[:depth])
                self.problems.append(Problem(where, "is a value, not a table", source=source))
                return
        if value != {}:
            table[place[-1]] = value
        elif not isinstance(table.get(place[-1]), dict):
            table[place[-1]] = {}  # the table is wanted; what is in it stays
        self.sources[place] = source

    def add_setting(self, setting: str) -> None:
        """Add the argument of `--set`: key=value, the value as in TOML or a bare word."""
        key, equals, text = setting.partition("=")
        place = tuple(part.strip() for part in key.split("."))
        if not equals or not all(place):
            self.problems.append(Problem(f"--set {setting}", "must look like optimizer.lr=1e-4"))
            return
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except (ValueError, RecursionError):
            value = text.strip()
        self.add(place, value, f"--set {setting}")

    def add_data(self, data: str) -> None:
        """Take a word as a data set's name, and what looks like a path as a folder of videos."""
        settings = data_settings(data)
        for key, value in settings.items():
            self.add(("data", key), value, f"--data {data}" if "path" in settings else "--data")

    def source(self, place: KeyPath) -> str:
        """Return where a value, the table around it, or the first value inside it came from."""
        for length in range(len(place), 0, -1):
            if place[:length] in self.sources:
                return self.sources[place[:length]]
        inside = (s for at, s in self.sources.items() if at[: len(place)] == place)
        return next(inside, "")

    def value_at(self, *place: str) -> Any:
        """Return the value that the user gave in a place, or None."""
        value: Any = self.values
        for name in place:
            value = value.get(name) if isinstance(value, dict) else None
        return value


def _is_utf8(value: Any) -> bool:
    """Is it anything but a text with bytes that are no UTF-8, as Python keeps them of a path?"""
    return not isinstance(value, str) or not any("\ud800" <= c <= "\udfff" for c in value)


def _leaves(tables: Mapping[str, Any], place: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Yield every value of nested tables with its place; an empty table is a value."""
    for name, value in tables.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*place, name))
        else:
            yield (*place, name), value


def data_settings(data: str) -> dict[str, str]:
    """Take a word as a data set's name, and what looks like a path as a folder of videos."""
    if data.startswith(".") or "/" in data or "\\" in data or data.endswith((".zip", ".tar")):
        return {"name": "folder", "path": data}
    return {"name": data}


def flat(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested tables as one, with dotted keys."""
    return {".".join(place): value for place, value in _leaves(tables)}
