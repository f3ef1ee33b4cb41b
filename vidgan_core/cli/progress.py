"""How far long work is: a bar on a terminal, plain lines elsewhere; and its end by a signal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vidgan_core.errors import printable
from vidgan_core.streams import drawing

SECONDS_BETWEEN_LINES = 5.0
Watch = Callable[[str, int, int], None]  # what is going on, how much is done, of how much


class Stopped(Exception):
    """A signal asked for the end."""


@contextmanager
def watching(stop: Callable[[], bool] = lambda: False) -> Iterator[Watch]:
    """Within the block, show what the work says it is doing; raise Stopped on `stop()`."""
    console = Console(file=drawing())
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    task = bar.add_task("", total=None)
    last = time.monotonic()
    shown = ""

    def watch(what: str, done: int, total: int) -> None:
        """Show how far it is, or raise Stopped."""
        nonlocal last, shown
        if stop():
            raise Stopped
        if console.is_terminal and what != shown:
            bar.reset(task, description=printable(what), total=total)
        bar.update(task, completed=done)
        if not console.is_terminal and time.monotonic() - last > SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            print(f"{printable(what)}: {done} of {total}", file=sys.stderr, flush=True)
        shown = what

    with bar:
        yield watch
