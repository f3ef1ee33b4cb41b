"""Two processes of one thread against one process of two threads, the same batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import say
from pytest_benchmark.fixture import BenchmarkFixture

STEPS = 12
ROUNDS = 4


def clips_per_second(out: Path, frames: int, processes: int, threads: int) -> float:
    """The best step of a run of the default networks, from its own log."""
    command = [sys.executable, "-m", "vidgan_core", "run", "--steps", str(STEPS), "--out", str(out)]
    command += [
        "--nproc",
        str(processes),
        "--set",
        "trainer.report_every=1",
        "--set",
        "callback.pictures.count=1",
    ]
    command += ["--set", f"data.frames={frames}"]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    subprocess.run(command, env=environment, check=True, capture_output=True)
    lines = (out / "metrics.jsonl").read_text().splitlines()
    return max(float(json.loads(line)["clips_per_second"]) for line in lines[2:])


@pytest.mark.parametrize("frames", [16, 32])
def test_two_processes_throughput_ratio(
    benchmark: BenchmarkFixture, tmp_path: Path, capsys: pytest.CaptureFixture[str], frames: int
) -> None:
    """`conv3d`, 8 clips of 64x64: clips a second together against alone."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    for number in range(ROUNDS):
        for processes, found in rates.items():
            out = tmp_path / f"{processes}-{number}"
            found.append(clips_per_second(out, frames, processes, 2 // processes))
    alone, together = max(rates[1]), max(rates[2])
    benchmark.extra_info["ratio"] = round(together / alone, 2)
    benchmark.pedantic(lambda: None)
    text = f"{together / alone:.2f}x ({together:.1f} clips/s against {alone:.1f} clips/s)"
    say(capsys, benchmark.name, text)
