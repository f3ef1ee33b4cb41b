"""What vidgan logs, as lines on stderr."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import click

from vidgan_core.errors import printable

LOGGER = "vidgan"  # the name that all loggers of the project start with


class Lines(logging.Handler):
    """Prints a record as a line: what is more than information under its level's name."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one, with what would move the terminal's cursor escaped."""
        try:
            level = "" if record.levelno <= logging.INFO else f"{record.levelname.lower()}: "
            click.echo(level + printable(record.getMessage()), err=True)
        except Exception:
            self.handleError(record)


@contextmanager
def on_stderr() -> Iterator[None]:
    """Within the block, print what vidgan logs."""
    logger, lines = logging.getLogger(LOGGER), Lines()
    before = logger.level
    logger.addHandler(lines)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(lines)
        logger.setLevel(before)
