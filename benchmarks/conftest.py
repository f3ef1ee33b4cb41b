"""What benchmarks share: the registry, whole configurations, and ratios measured in one run."""

from __future__ import annotations

import ctypes
import math
import time
from collections.abc import Callable

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor
from vidgan_cpu.malloc import MMAP_MAX, TOP_PAD, TRIM_THRESHOLD, keep_freed_memory

from vidgan_core.config.resolve import resolve
from vidgan_core.config.schema import RunConfig
from vidgan_core.config.sources import ConfigSources
from vidgan_core.interfaces import Generator
from vidgan_core.plugins.registry import Registry
from vidgan_core.testing.inputs import drawn_values

MMAP_THRESHOLD = -3
# What malloc does by itself, its thresholds where it moves them as large pieces are freed.
MALLOC = {
    MMAP_MAX: 65_536,
    MMAP_THRESHOLD: 32 << 20,
    TRIM_THRESHOLD: 64 << 20,
    TOP_PAD: 128 << 10,
}
REGISTRY = Registry.discover()
GENERATORS = REGISTRY.names("generator")


def pytest_xdist_auto_num_workers() -> int:
    """Measure in this process, on a machine that does nothing else."""
    return 0


def configured(generator: str, *settings: str) -> RunConfig:
    """The configuration that `vidgan run --gen NAME` uses, with settings as for --set."""
    layers = ConfigSources()
    layers.add(("generator", "name"), generator, "benchmark")
    for setting in settings:
        layers.add_setting(setting)
    return resolve(layers, REGISTRY)


def given(network: Generator, n: int) -> dict[str, Tensor]:
    """The condition of `n` clips, of random values; nothing where there is none."""
    return {field.name: drawn_values(field, n) for field in network.spec.condition}


def seconds(call: Callable[[], object]) -> float:
    """The wall-clock time of one call."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def as_it_comes(call: Callable[[], None]) -> Callable[[], None]:
    """A call in a process that was not told to keep the memory that it frees."""
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallopt"):
        return call

    def untold() -> None:
        for option, value in MALLOC.items():
            libc.mallopt(option, value)
        libc.malloc_trim(0)
        call()
        keep_freed_memory.__wrapped__()

    return untold


Ratio = Callable[..., float]


@pytest.fixture
def ratio(benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str]) -> Ratio:
    """Compare two calls: minima of alternating rounds, so that both see the same machine."""

    def compare(
        ours: Callable[[], object],
        reference: Callable[[], object],
        *,
        rounds: int,
        measure: Callable[[Callable[[], object]], float] = seconds,
    ) -> float:
        ours()
        reference()
        pairs = [(measure(ours), measure(reference)) for _ in range(rounds)]
        mine, theirs = (min(column) for column in zip(*pairs, strict=True))
        benchmark.extra_info["ratio"] = round(mine / theirs, 4)
        benchmark.pedantic(ours, rounds=1)
        with capsys.disabled():
            print(
                f"\n{benchmark.name}: {mine / theirs:.3f}x "
                f"({mine * 1e3:.2f} ms against {theirs * 1e3:.2f} ms)"
            )
        return mine / theirs

    return compare


@pytest.fixture
def faster(benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str]) -> Ratio:
    """Say how many times as fast as a reference ours is: minima of alternating rounds.

    In each round both are called twice in a row: the first call after the other's finds caches
    and memory as that has left them, which no call of a run but the first does.
    """

    def compare(
        ours: Callable[[], object], reference: Callable[[], object], *, rounds: int
    ) -> float:
        ours()
        reference()
        mine = theirs = math.inf
        for _ in range(rounds):
            mine = min(mine, seconds(ours), seconds(ours))
            theirs = min(theirs, seconds(reference), seconds(reference))
        benchmark.extra_info["ratio"] = round(theirs / mine, 2)
        benchmark.pedantic(ours, rounds=1)
        say(capsys, benchmark.name, f"{theirs / mine:.2f}x ({mine:.3f} s against {theirs:.3f} s)")
        return theirs / mine

    return compare


def say(capsys: pytest.CaptureFixture[str], name: str, text: str) -> None:
    """Print a figure past pytest's capture."""
    with capsys.disabled():
        print(f"\n{name}: {text}")
