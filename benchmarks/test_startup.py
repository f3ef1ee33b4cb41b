"""What it costs to be told what there is."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Ratio

VIDGAN = str(Path(sys.executable).with_name("vidgan"))
CLICK = [sys.executable, "-c", "import click"]


def process(command: list[str]) -> Callable[[], object]:
    """Return a call that runs a command to its end."""
    return lambda: subprocess.run(command, stdout=subprocess.DEVNULL, check=True)


def cpu_seconds(call: Callable[[], object]) -> float:
    """The processor time of the processes that a call starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    call()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize("arguments", [("--help",), ("plugins",)], ids=["help", "plugins"])
def test_startup_ratio(ratio: Ratio, arguments: tuple[str, ...]) -> None:
    """Processor time of a command against that of `python -c 'import click'`."""
    ratio(process([VIDGAN, *arguments]), process(CLICK), rounds=20, measure=cpu_seconds)
