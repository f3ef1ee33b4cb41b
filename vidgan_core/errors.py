"""Errors that a user can act on: what, where it came from, what to try; and the exit codes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import NamedTuple


class Exit(IntEnum):
    """What the `vidgan` command's exit status means."""

    OK = 0
    FAILED = 1
    USAGE = 2
    COMPONENT = 3
    CHECK = 4
    HUNG_UP = 129
    INTERRUPTED = 130
    TERMINATED = 143


class VidganError(Exception):
    """Something went wrong that the message explains; shown without a traceback."""

    code = Exit.FAILED

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message + (f"; {hint}" if hint else ""))


class UsageError(VidganError):
    """The command line or a name in it is wrong."""

    code = Exit.USAGE


class ShapeError(UsageError):
    """A clip shape that a network can't make or read. The message says which ones it can."""


class ComponentError(VidganError):
    """A component that is known but can't be loaded."""

    code = Exit.COMPONENT


class CheckpointError(VidganError):
    """A checkpoint that is missing, damaged or does not fit."""


class CheckError(VidganError):
    """A check that was asked for has failed."""

    code = Exit.CHECK


class StalledError(VidganError):
    """The data did not come while the process was asked to stop."""


class ClipError(VidganError):
    """A clip that can't be read any more. `source` names the file that it is from."""

    def __init__(self, source: str, reason: str) -> None:
        self.source, self.reason = source, reason
        super().__init__(f"{printable(source)}: {reason}")

    def __reduce__(self) -> tuple[type, tuple[str, str]]:  # to come back from another process
        return type(self), (self.source, self.reason)


class Problem(NamedTuple):
    """One mistake in a configuration, as `where: what (got value, from source)`."""

    where: str
    what: str
    got: str = ""
    source: str = ""

    def __str__(self) -> str:
        details = [f"got {self.got}"] if self.got else []
        details += [f"from {self.source}"] if self.source else []
        text = f"{self.where}: {self.what}" if self.where else self.what
        return text + (f" ({', '.join(details)})" if details else "")


class ConfigError(UsageError):
    """Every problem found in a configuration, reported at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, problems)))


# What torch says of mistakes that only show when the numbers are there, and what a user can do.
_EXPLAINED = {
    "out of memory": "out of memory; try a smaller data.batch, data.size or width",
    "can't allocate memory": "out of memory; try a smaller data.batch, data.size or width",
    "gloo": "another process of this run has ended, so this one does too",
    "NCCL": "another process of this run has ended, so this one does too",
    "does not currently support double backward": (
        "trainer.compile: a compiled network has no second derivative, which gradient penalties "
        "need; try trainer.compile=false"
    ),
    "surrogates not allowed": "a path or a name that is written down must be UTF-8",
    "embedded null": "a path or a name holds a null character",
    "Storage size calculation overflowed": "a size is too large",
    "numel: integer multiplication overflow": "a size is too large",
    "Expected more than 1 value per channel": (
        "data.batch: BatchNorm needs more than one value a channel; try 2 or more clips a batch"
    ),
}


def explained(error: Exception) -> VidganError | None:
    """Return a user's error for what torch raises when memory or a batch is too small."""
    found = (words for text, words in _EXPLAINED.items() if text in str(error))
    words = next(found, None)
    return VidganError(words) if words else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return what to say of an unknown word: the nearest known one, else a few or all of them."""
    import difflib  # only a mistake is worth its import

    known = sorted(known)
    if close := difflib.get_close_matches(word, known, n=1):
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(known)}" if known else "there are none"


def printable(name: str) -> str:
    """Escape what a terminal or a log might act on: control codes, newlines, invalid bytes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def one_line(error: BaseException) -> str:
    """Return an exception's type and the first line of its message, printable."""
    lines = str(error).strip().splitlines()
    kind = type(error).__name__
    return printable(f"{kind}: {lines[0]}" if lines else kind)
