"""The mark that generated media carry in the comment of their format."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from vidgan_core.version import __version__

Mark = Mapping[str, Any]

_MARKED = "generated-by"  # the key by which a mark is told from any other comment


def make_mark(checkpoint: str, seed: int) -> Mark:
    """Return what a generated file says of itself: program, version, checkpoint hash, seed."""
    return {_MARKED: "vidgan", "version": __version__, "checkpoint": checkpoint, "seed": seed}


def parse_mark(comment: str | bytes | None) -> Mark | None:
    """Return the mark that a comment holds, if it is one."""
    try:
        mark = json.loads(comment or "null")
    except (ValueError, RecursionError):
        return None
    return mark if isinstance(mark, dict) and _MARKED in mark else None
