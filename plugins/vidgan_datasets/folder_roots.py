"""What `data.path` names: a folder, a file, or numbered files such as shards-{000..099}.tar."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice, product
from pathlib import Path

from vidgan_core.errors import UsageError, printable

MOST_FILES = 1_000_000
_BRACES = re.compile(r"\{([^{}/]*)\}")
_RANGE = re.compile(r"([0-9]{1,9})\.\.([0-9]{1,9})")


def roots(path: str) -> tuple[Path, tuple[str, ...]]:
    """Return a folder and the names of the files in it that are meant; none: all of it.

    Braces are read as a shell reads them, in the last part of the path alone: what a path leads to
    must be plain from it. Raises UsageError for what is not there.
    """
    if Path(path).is_dir():
        return Path(path).resolve(), ()
    if Path(path).exists():
        file = Path(path).resolve()
        return file.parent, (file.name,)
    folder = Path(path).parent
    names = list(islice(_expanded(Path(path).name), MOST_FILES + 1))
    if len(names) > MOST_FILES:
        raise UsageError(f"data.path: {printable(path)} names more than {MOST_FILES:,} files")
    if missing := next((name for name in names if not (folder / name).is_file()), None):
        raise UsageError(f"data.path: {printable(str(folder / missing))} does not exist")
    return folder.resolve(), tuple(dict.fromkeys(names))


def _expanded(name: str) -> Iterator[str]:
    """Yield the names that one with {a,b} or {00..99} stands for, the last part fastest."""
    parts = _BRACES.split(name)  # text and what is in braces by turns
    choices = [_choices(part) if number % 2 else [part] for number, part in enumerate(parts)]
    return map("".join, product(*choices))


def _choices(inner: str) -> list[str]:
    if found := _RANGE.fullmatch(inner):
        first, last = found.groups()
        width = max(len(first), len(last)) if first.startswith("0") or last.startswith("0") else 0
        count = range(int(first), min(int(last), int(first) + MOST_FILES) + 1)
        return [f"{number:0{width}d}" for number in count] or [f"{{{inner}}}"]
    return inner.split(",") if "," in inner else [f"{{{inner}}}"]
