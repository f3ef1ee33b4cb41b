"""Commands of installed distributions: entry-point group `vidgan.commands`, name = command.

The value is `module:command`, a click command. Its line in `vidgan --help` is the first line of
the module's docstring, read from the source file as `pydoc -k` does, so that nothing has to be
declared twice and no plugin is imported; where there is no such file, it is the distribution's
summary. The module is imported when its command is used.

A name that is ours stays ours; what two others claim is used as `distribution:name` alone. The
metadata are read by hand: to import `importlib.metadata` takes two thirds of the time of click.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Collection, Iterable, Iterator
from importlib import import_module
from typing import Any

from vidgan_core.errors import ComponentError, one_line
from vidgan_core.plugins.discovery import HOME, canonical, in_use, plain

GROUP = "vidgan.commands"
MARKS = dict.fromkeys(map(ord, "-_."))  # what a name may hold besides letters and digits
QUOTES = ('"""', "'''")


class PluggedCommand:
    """A command, where it is, and the installed distribution that announces it.

    `name` is what the distribution calls it, `target` is `module:attribute`, `metadata` the folder
    of the distribution's metadata. Not a dataclass: to make one takes a millisecond of --help.
    """

    def __init__(
        self, name: str, target: str, distribution: str, version: str, metadata: str
    ) -> None:
        self.name, self.target = name, target
        self.distribution, self.version = distribution, version
        self._metadata = metadata

    @property
    def ours(self) -> bool:
        """Does it come with vidgan itself?"""
        return self.distribution == HOME

    @property
    def help(self) -> str:
        """Its line in the list of commands."""
        return plain(_docstring(self.target) or _header(self._metadata, "Summary"))

    def load(self) -> Any:
        """Import the click command. Raises ComponentError where there is none."""
        import click

        who = f"command {self.name!r} of {self.distribution} {self.version} ({self.target})"
        module, _, attribute = self.target.partition(":")
        try:
            with contextlib.redirect_stdout(sys.stderr):
                found = getattr(import_module(module), attribute)
        except (Exception, SystemExit) as error:
            raise ComponentError(f"{who} can't be loaded: {one_line(error)}") from error
        if not isinstance(found, click.Command):
            raise ComponentError(f"{who} is not a click command")
        return found


def commands(taken: Collection[str], *, third_party: bool = True) -> dict[str, PluggedCommand]:
    """Return the installed commands by the name by which they are used, ours first.

    `taken` are names that no distribution can have.
    """
    chosen = in_use(third_party=third_party)
    found = [c for c in _installed() if chosen is None or c.distribution in chosen]
    found.sort(key=lambda c: (not c.ours, c.distribution, c.name))
    ours = {c.name for c in found if c.ours} | set(taken)
    names = [c.name for c in found]
    return {
        c.name
        if c.ours or (c.name not in ours and names.count(c.name) == 1)
        else f"{c.distribution}:{c.name}": c
        for c in found
    }


def _installed() -> Iterator[PluggedCommand]:
    """Yield what each distribution announces, where it is found first."""
    known: set[str] = set()
    for folder in dict.fromkeys(sys.path):
        try:
            entries = os.listdir(folder or ".")
        except OSError:
            continue
        for entry in entries:
            stem, _, suffix = entry.rpartition(".")
            if suffix not in ("dist-info", "egg-info"):
                continue
            name, _, version = stem.partition("-")
            if (distribution := canonical(name)) not in known:
                known.add(distribution)
                yield from _announced(
                    os.path.join(folder, entry), plain(distribution), plain(version)
                )


def _announced(metadata: str, distribution: str, version: str) -> Iterator[PluggedCommand]:
    """Yield the commands in the metadata of one distribution; what is malformed is left out."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        with open(os.path.join(metadata, "entry_points.txt"), encoding="utf-8") as file:
            text = file.read()
        if f"[{GROUP}]" not in text:
            return
        for line in text.partition(f"[{GROUP}]")[2].partition("\n[")[0].splitlines():
            name, equals, target = (part.strip() for part in line.partition("="))
            if equals and name.translate(MARKS).isalnum():
                yield PluggedCommand(
                    name, plain(target), distribution, version.partition("-")[0], metadata
                )


def _docstring(target: str) -> str:
    """Return the first line of a module's docstring, if its source is a file on the path."""
    parts = target.partition(":")[0].split(".")
    places = [os.path.join(folder, *parts) for folder in sys.path]
    files = [(f"{place}.py", os.path.join(place, "__init__.py")) for place in places]
    for path in filter(os.path.isfile, (path for pair in files for path in pair)):
        with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as lines:
            return _first_words(lines)
    return ""


def _first_words(lines: Iterable[str]) -> str:
    """Return the first line of the docstring with which a source begins, if it does."""
    code = (line.strip() for line in lines if not line.startswith("#") and line.strip())
    text = next(code, "").lstrip("rR")
    quotes = text[:3]
    if quotes not in QUOTES:
        return ""
    return (text[3:] or next(code, "")).partition(quotes)[0].strip()


def _header(metadata: str, name: str) -> str:
    """Return a header of a distribution's metadata."""
    for file in ("METADATA", "PKG-INFO"):
        with contextlib.suppress(OSError), open(os.path.join(metadata, file), "rb") as lines:
            for line in lines:
                key, _, value = line.decode("utf-8", "replace").partition(":")
                if key == name:
                    return value.strip()
    return ""
