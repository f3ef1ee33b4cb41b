"""What a process that lists a stranger's archive may answer. Free of torch; see `probe_answer`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import IO, Any, get_args

from vidgan_core.media.video_source import Kind
from vidgan_datasets.probe_answer import STATUSES, read_line

MOST = 1 << 30  # characters: a few million files with their places
LARGEST = 2**63


def read_listing(stream: IO[str], progress: Callable[[int], None]) -> dict[str, Any]:
    """Return what was found in an archive: "held", facts of `folder_walk.Found`, or why nothing.

    `progress` is told how many files were looked at. Raises ValueError for what is no answer.
    """
    while "read" in (answer := read_line(stream, MOST)):
        if not _is_number(answer["read"]):
            raise ValueError("it says that it has read what there can't be")
        progress(answer["read"])
    held = answer.get("held", [])
    known = answer.keys() <= {"status", "reason", "held"} and answer.get("status") in STATUSES
    if not known or not isinstance(answer.get("reason", ""), str):
        raise ValueError("its answer contradicts itself")
    if not isinstance(held, list) or not all(map(_is_file, held)):
        raise ValueError("it answers with what is no file")
    return {"reason": ""} | answer


def _is_file(facts: Any) -> bool:
    if not isinstance(facts, dict) or not isinstance(facts.get("name"), str):
        return False
    return all(key in _RULES and _RULES[key](value) for key, value in facts.items())


def _is_number(value: Any) -> bool:
    return type(value) is int and 0 <= value < LARGEST


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _are_places(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_place, value))


def _is_place(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(map(_is_number, value))


_RULES: Mapping[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("name", "refused", "folder", "caption", "label"), _is_text),
    "status": lambda value: value in STATUSES,
    "kind": lambda value: value in get_args(Kind),
    "pictures": _are_texts,
    "places": _are_places,
}
