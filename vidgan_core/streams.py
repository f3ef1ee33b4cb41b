"""Standard output and error, made safe: no stranger's escape leaves, no lost reader ends work.

This is the one place where text leaves the program, whoever prints it: the commands, the core's
log, a plugin. Control characters that a file name, a tag or a metric's name brought along are
escaped, and stderr goes on to nowhere when its terminal or pipe is gone.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

from vidgan_core.errors import printable

_PLAIN = re.compile(r"[\n\t\x20-\x7e]*\Z")


class SafeStream:
    """A text stream that writes what can be printed, and escapes the rest.

    `raw` is the stream underneath. One that is `steady` drops what can't be written any more;
    one that may `draw` lets escapes through.
    """

    def __init__(self, raw: TextIO, *, steady: bool, draw: bool = False) -> None:
        self.raw = raw
        self._steady = steady
        self._draw = draw

    def write(self, text: str) -> int:
        """Write a text; its length is returned."""
        if not isinstance(text, str):
            raise TypeError(f"write() takes str, not {type(text).__name__}")
        if not self._draw and not _PLAIN.match(text):
            text = self._encodable("".join(map(_escaped, text)))
        try:
            self.raw.write(text)
        except OSError as error:
            self._give_up(error)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Hand on what is held back."""
        try:
            self.raw.flush()
        except OSError as error:
            self._give_up(error)

    def _encodable(self, text: str) -> str:
        """Escape what the terminal's encoding lacks."""
        encoding = self.raw.encoding or "utf-8"
        return text.encode(encoding, "backslashreplace").decode(encoding)

    def _give_up(self, error: OSError) -> None:
        """Write to nowhere from here on, libraries in C too; or pass the error on."""
        if not self._steady:
            raise error
        to_nowhere(self.raw)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)


def _escaped(character: str) -> str:
    return character if character in "\n\t" else printable(character)


def to_nowhere(stream: TextIO) -> None:
    """Let a stream's descriptor end in nothing, so that what is held back has a place to go."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError, AttributeError):  # a stream without a descriptor
        pass


def drawing() -> TextIO:
    """Return stderr for a progress bar, whose own escapes move the cursor; steady as ever."""
    if not isinstance(sys.stderr, SafeStream):
        return sys.stderr
    return cast(TextIO, SafeStream(sys.stderr.raw, steady=True, draw=True))


@contextmanager
def safe_streams() -> Iterator[None]:
    """Within the block sys.stdout and sys.stderr are safe; closed descriptors are filled."""
    _fill_descriptors()
    before = sys.stdout, sys.stderr
    if sys.stdout is not None:
        sys.stdout = cast(TextIO, SafeStream(sys.stdout, steady=False))
    if sys.stderr is None:  # closed: print(file=None) would go to stdout
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for good
    sys.stderr = cast(TextIO, SafeStream(sys.stderr, steady=True))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def _fill_descriptors() -> None:
    """Open what was closed on nothing, before a file of ours gets the number and the messages."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


@contextmanager
def unescaped() -> Iterator[None]:
    """Within the block what is written is not escaped: for a tool that writes colours."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (getattr(stream, "raw", stream) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
