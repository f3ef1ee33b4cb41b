"""Which installed distributions announce plugins: their metadata, before any of their code runs."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, distributions

GROUP = "vidgan"
HOME = "vidgan"  # the distribution that the in-tree plugins come with


@dataclass(frozen=True, slots=True)
class Provider:
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
    seen: set[str] = set()
    for distribution in distributions():
        with contextlib.suppress(Exception):
            text = distribution.read_text("entry_points.txt")
            if not text or f"[{GROUP}]" not in text:
                continue
            metadata = distribution.metadata
            name, version = (plain(str(metadata[key] or "")) for key in ("Name", "Version"))
            if canonical(name) not in seen:
                seen.add(canonical(name))
                for point in distribution.entry_points.select(group=GROUP):
                    yield Provider(name, version, plain(point.value)), point


def canonical(name: str) -> str:
    """Return a distribution's name as PEP 503 writes it."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def plain(text: str) -> str:
    """Escape what would not show, or would move the terminal's cursor."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
