"""Print what a step costs against batch, frames, size and width: python benchmarks/curves.py

Each row is a process of its own, so that its peak memory is its own. `python benchmarks/curves.py
memory` compares options that take less of it.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time

BASE = {"data.batch": 8, "data.frames": 16, "data.size": 64, "width": 32}
VALUES = {
    "data.batch": (2, 4, 8, 16),
    "data.frames": (8, 16, 32),
    "data.size": (32, 64, 96),
    "width": (16, 32, 64),
}
MEMORY: dict[str, tuple[str, ...]] = {
    "modern, batch 8": (),
    "accumulate = 2": ("trainer.accumulate=2",),
    "accumulate = 4": ("trainer.accumulate=4",),
    "generator.recompute": ("generator.recompute=true",),
    "both": ("trainer.accumulate=4", "generator.recompute=true"),
}
STEPS = 4


def measured(generator: str, *settings: str, **environment: str) -> dict[str, float]:
    """Train a few steps in a fresh process: seconds, GFLOP and megabytes beyond the imports."""
    command = [sys.executable, __file__, "measure", generator, *settings]
    text = subprocess.check_output(command, text=True, env=os.environ | environment)
    found: dict[str, float] = json.loads(text.splitlines()[-1])
    return found


def measure(generator: str, *settings: str) -> None:
    from conftest import REGISTRY, configured
    from torch.utils.flop_counter import FlopCounterMode

    from vidgan_core.training.run import Run

    before = peak()
    run = Run(configured(generator, *settings), REGISTRY)
    with FlopCounterMode(display=False) as counter:
        run.trainer.step()
    took = []
    for _ in range(STEPS):
        started = time.perf_counter()
        run.trainer.step()
        took.append(time.perf_counter() - started)
    run.batches.close()
    gflop = counter.get_total_flops() / 1e9
    print(json.dumps({"seconds": min(took), "gflop": gflop, "megabytes": peak() - before}))


def peak() -> float:
    """The most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def curves() -> None:
    print("| changed | value | step | GFLOP | GFLOP/s | memory |\n|---|---|---|---|---|---|")
    known: dict[str, dict[str, float]] = {}
    for name, values in VALUES.items():
        for value in values:
            chosen = BASE | {name: value}
            width = chosen.pop("width")
            widths = [f"{kind}.width={width}" for kind in ("generator", "discriminator")]
            settings = (*(f"{n}={v}" for n, v in chosen.items()), *widths)
            key = " ".join(settings)
            known[key] = known.get(key) or measured("conv3d", *settings)
            row(f"| `{name}` | {value} |", known[key])


def memory() -> None:
    print(
        "| `modern`, 8 clips of 16x64x64 | step | GFLOP | GFLOP/s | memory |\n|---|---|---|---|---|"
    )
    for name, settings in MEMORY.items():
        row(f"| {name} |", measured("modern", "term={}", *settings))


def row(start: str, found: dict[str, float]) -> None:
    rate = found["gflop"] / found["seconds"]
    print(
        f"{start} {found['seconds'] * 1e3:,.0f} ms | {found['gflop']:,.1f} | {rate:.0f} "
        f"| {found['megabytes']:,.0f} MB |",
        flush=True,
    )


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["measure", *arguments]:
            measure(*arguments)
        case ["memory"]:
            memory()
        case _:
            curves()
