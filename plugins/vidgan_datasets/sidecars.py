"""Files that tell of a video with the same name: its caption and its class. Free of torch.

`name.txt` is the caption of `name.mp4`, `name.cls` its class, `name.json` an object with "caption"
and "class"; as in WebDataset a video's name may go on after a dot. The caption of a folder of
pictures is `folder.txt`.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

SUFFIXES = (".json", ".txt", ".cls")  # a later one counts more
MOST_BYTES = 65_536
_KEYS = {"caption": ("caption", "text"), "label": ("class", "cls", "label")}


def sidecars_of(name: str, there: Collection[str]) -> tuple[str, ...]:
    """Return the names, among those that are there, of the files that tell of a video."""
    found = (
        next((stem + suffix for stem in _stems(name) if stem + suffix in there), "")
        for suffix in SUFFIXES
    )
    return tuple(filter(None, found))


def sidecars_of_frames(folder: str, first: str, there: Collection[str]) -> tuple[str, ...]:
    """Return those of a sequence of pictures: of its folder, or of all names up to a dot.

    `first` is the path of the first picture, whose own files are none of the video's.
    """
    own = {stem + suffix for stem in _stems(first)[:1] for suffix in SUFFIXES}
    of_all = sidecars_of(first, set(there) - own) if len(_stems(first)) > 1 else ()
    return of_all or tuple(folder + s for s in SUFFIXES if folder and folder + s in there)


def all_sidecars(files: Sequence[str], folders: Sequence[str]) -> set[str]:
    """Return which of a folder's files tell of others there, or of its sub-folders."""
    candidates = {name for name in files if name.lower().endswith(SUFFIXES)}
    if not candidates:
        return set()
    videos = [name for name in files if name not in candidates]
    stems = {stem for name in videos for stem in _stems(name)} | set(folders)
    return {name for name in candidates if os.path.splitext(name)[0] in stems}


def read_sidecars(root: Path, names: Sequence[str], *, follow: bool = False) -> dict[str, str]:
    """Return caption and class that files below a root tell; nothing for what can't be read."""
    texts: dict[str, bytes] = {}
    for name in names:
        links = 0 if follow else os.O_NOFOLLOW
        with suppress(OSError):
            descriptor = os.open(root / name, os.O_RDONLY | os.O_NONBLOCK | links)
            with os.fdopen(descriptor, "rb") as file:
                if stat.S_ISREG(os.fstat(descriptor).st_mode):
                    texts[os.path.splitext(name)[1]] = file.read(MOST_BYTES)
    return parsed(texts)


def parsed(texts: Mapping[str, bytes]) -> dict[str, str]:
    """Return "caption" and "label" from the content of files by their suffix."""
    facts = {"caption": "", "label": ""}
    for suffix in SUFFIXES:
        text = texts.get(suffix, b"").decode("utf-8-sig", "replace").strip()
        if suffix == ".json":
            facts |= _from_json(text)
        elif text:
            facts["caption" if suffix == ".txt" else "label"] = text
    return facts


def _from_json(text: str) -> dict[str, str]:
    try:
        found: Any = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    values = {fact: [found[key] for key in keys if key in found] for fact, keys in _KEYS.items()}
    return {fact: str(held[0]) for fact, held in values.items() if held and _is_plain(held[0])}


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _stems(path: str) -> list[str]:
    """Return what a name is before each of its dots, the longest first."""
    folder, name = os.path.split(path)
    parts = name.split(".")
    stems = (".".join(parts[:count]) for count in range(len(parts) - 1, 0, -1))
    return [os.path.join(folder, stem) for stem in stems if stem]
