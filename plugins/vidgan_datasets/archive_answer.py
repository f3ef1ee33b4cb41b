"""What a process that lists a stranger's archive may answer. Free of torch.

As in `probe_answer`: what is not an answer by its size, types and numbers is a ValueError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import IO, Any, get_args

from vidgan_core.media.member import MOST_INFLATED
from vidgan_core.media.video_source import Kind
from vidgan_datasets.probe_answer import is_text, last_line
from vidgan_datasets.probe_limits import MOST_TEXT

FAILED = ("damaged", "refused", "other")
MOST_FILES = 10_000_000
MOST = 256 << 20  # characters of an answer: a million files and more


def read_listing(stream: IO[str], size: int, progress: Callable[[int], None]) -> dict[str, Any]:
    """Return what an archive of `size` bytes holds, or why that is not known.

    Raises ValueError for what is no answer.
    """
    answer = last_line(stream, MOST, MOST_FILES, progress)
    if answer.keys() == {"status", "reason"}:
        if answer["status"] not in FAILED or not (is_text(answer["reason"]) and answer["reason"]):
            raise ValueError("it answers with no reason")
        return answer | {"reason": answer["reason"][:MOST_TEXT]}
    held = answer.get("held")
    if answer.keys() != {"held"} or not isinstance(held, list) or not held:
        raise ValueError("it answers with no list")
    if not all(isinstance(facts, dict) and _is_held(facts, size) for facts in held):
        raise ValueError("it lists what can't be in an archive")
    return answer


def _is_held(facts: Mapping[str, Any], size: int) -> bool:
    """Is it a file that is not read, or a video whose files lie in the archive?"""
    if not all(key in _RULES and _RULES[key](value) for key, value in facts.items()):
        return False
    if "refused" in facts:
        return "name" in facts and not {"places", "pictures"} & facts.keys()
    if not {"name", "kind", "places"} <= facts.keys() or "status" in facts:
        return False
    files = len(facts.get("pictures", ())) if facts["kind"] == "frames" else 1
    places = facts["places"]
    return 0 < files == len(places) and all(_is_place(place, size) for place in places)


def _is_place(place: Any, size: int) -> bool:
    if not (isinstance(place, list) and len(place) == 4):
        return False
    if not all(type(number) is int and number >= 0 for number in place):
        return False
    offset, stored, inflated, crc = place
    return bool(offset + stored <= size and inflated <= MOST_INFLATED and crc < 2**32)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and len(value) < MOST_FILES and all(map(is_text, value))


_RULES: Mapping[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("name", "folder", "caption", "label"), is_text),
    "refused": lambda value: is_text(value) and 0 < len(value) <= MOST_TEXT,
    "status": lambda value: value in ("damaged", "other"),
    "kind": lambda value: value in get_args(Kind),
    "pictures": _are_texts,
    "places": lambda value: isinstance(value, list),
}
