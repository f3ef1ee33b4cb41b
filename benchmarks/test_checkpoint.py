"""Saving against writing the same bytes, flushed to the same disk, in one run."""

from __future__ import annotations

import itertools
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import say
from pytest_benchmark.fixture import BenchmarkFixture

from vidgan_core.runs import checkpoint

WEIGHTS = 50_000_000  # 200 MB: conv3d's G, D and EMA with Adam's moments are a sixth of that
ROUNDS = 7


def shortest(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def test_saving_ratio_to_writing(
    benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    model = {"w": torch.randn(WEIGHTS // 4)}
    train = {f"w{i}": torch.randn(WEIGHTS // 4) for i in range(3)}
    steps = itertools.count()

    def save() -> None:
        checkpoint.save(tmp_path / "run", next(steps), model=model, train=train, state={})

    def plain() -> None:
        for name, tensors in (("model", model), ("train", train)):
            with (tmp_path / name).open("wb") as file:
                for tensor in tensors.values():
                    file.write(tensor.numpy().data)
                file.flush()
                os.fsync(file.fileno())

    def clean() -> None:
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        for name in ("model", "train"):
            (tmp_path / name).unlink(missing_ok=True)

    times: dict[Callable[[], None], list[float]] = {save: [], plain: []}
    for _ in range(ROUNDS):
        for work, taken in times.items():
            clean()
            taken.append(shortest(work))
    mine, theirs = min(times[save]), min(times[plain])
    ratio = mine / theirs
    say(capsys, benchmark.name, f"{ratio:.2f}x ({mine * 1e3:.0f} ms against {theirs * 1e3:.0f} ms)")
    benchmark.extra_info["ratio"] = round(ratio, 2)
    benchmark.pedantic(save, setup=clean, rounds=3)
    assert ratio <= 1.5
