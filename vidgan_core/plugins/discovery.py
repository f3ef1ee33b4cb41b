"""Which installed distributions announce plugins: their metadata, before any of their code runs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "vidgan"
HOME = "vidgan"  # the distribution that the in-tree plugins come with


class Provider(NamedTuple):
    """The installed distribution and the manifest module that a component came from."""

    distribution: str
    version: str
    module: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version} ({self.module})"


def plugins() -> list[tuple[Provider, EntryPoint]]:
    """Return every plugin's entry point in an order that does not depend on sys.path's.

    Ours come first, so that nobody takes a module's name from us.
    """
    return sorted(
        _plugins(),
        key=lambda found: (found[0].distribution != HOME, found[0].distribution, found[1]),
    )


def _plugins() -> Iterator[tuple[Provider, EntryPoint]]:
    """Read each distribution where it is found first.

    `importlib.metadata.entry_points` would do, if one malformed file did not end it for all.
    """
    from importlib.metadata import distributions  # as long to import as click

    known: set[str] = set()
    for distribution in distributions():
        with contextlib.suppress(Exception):
            text = distribution.read_text("entry_points.txt")
            if not text or f"[{GROUP}]" not in text:
                continue
            metadata = distribution.metadata
            name, version = (plain(str(metadata[key] or "")) for key in ("Name", "Version"))
            if canonical(name) not in known:
                known.add(canonical(name))
                for point in distribution.entry_points.select(group=GROUP):
                    yield Provider(name, version, plain(point.value)), point


def in_use(*, third_party: bool = True) -> set[str] | None:
    """Return which distributions are used, by their canonical names; None for all of them.

    `VIDGAN_PLUGINS` narrows the third-party ones. Unset: all of them. A comma-separated list of
    distributions: only these. Empty: none. Ours is always there.
    """
    listed = os.environ.get("VIDGAN_PLUGINS") if third_party else ""
    return None if listed is None else {HOME, *map(canonical, listed.split(","))}


def canonical(name: str) -> str:
    """Return a distribution's name as PEP 503 writes it."""
    words = name.strip().replace("_", "-").replace(".", "-").split("-")
    return "-".join(filter(None, words)).lower()


def plain(text: str) -> str:
    """Escape what would not show, or would move the terminal's cursor."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
