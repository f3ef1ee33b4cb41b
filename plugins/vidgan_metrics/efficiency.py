"""Efficiency: what a clip costs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import accumulate
from statistics import median
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge, doc
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from vidgan_core.errors import UsageError
from vidgan_core.inference.sampler import sample
from vidgan_core.interfaces import Better, Evidence, Generator, Metric

Call = Callable[[], object]


class Efficiency(Metric):
    """Size, arithmetic, speed and memory of the generator, and of a training step where it's known.

    parameters; flops: floating-point operations of one clip, a multiplication and an addition
    being two; clips-per-second and frames-per-second in batches of `batch`; latency: seconds for
    one clip; sample-memory: MiB of tensors that a batch takes at its height beyond what was in use
    before, as torch's allocator counts them. step-seconds and step-memory are of one training
    step. Times are medians of `repeats`, after one that does not count, on the device and threads
    in use: compare them on one machine only.
    """

    better: ClassVar[Mapping[str, Better]] = {
        "parameters": "lower",
        "flops": "lower",
        "clips-per-second": "higher",
        "frames-per-second": "higher",
        "latency": "lower",
        "sample-memory": "lower",
        "step-seconds": "lower",
        "step-memory": "lower",
    }
    needs = frozenset({"generator"})
    least = 0
    fast = False
    error = "own"

    def __init__(
        self,
        *,
        batch: Annotated[int, Ge(1), doc("clips at a time")] = 16,
        repeats: Annotated[int, Ge(1), doc("of each measurement")] = 5,
    ) -> None:
        self.batch, self.repeats = batch, repeats

    def measure(self, evidence: Evidence) -> Mapping[str, float]:
        """Return all numbers that can be had. UsageError without a generator."""
        generator = evidence.generator
        if generator is None:
            raise UsageError("efficiency needs a run, whose generator it measures")

        def clips(n: int) -> Call:
            return lambda: sample(generator, n, seed=0, batch=n)

        device = next(generator.parameters()).device
        rate = self.batch / self.seconds(clips(self.batch))
        numbers = {
            "parameters": float(sum(p.numel() for p in generator.parameters())),
            "flops": flops(generator),
            "clips-per-second": rate,
            "frames-per-second": rate * generator.spec.frames,
            "latency": self.seconds(clips(1)),
            "sample-memory": peak(clips(self.batch), device),
        }
        if evidence.step is not None:
            numbers["step-seconds"] = self.seconds(evidence.step)
            numbers["step-memory"] = peak(evidence.step, device)
        return numbers

    def seconds(self, call: Call) -> float:
        """Return the median time of a call that ends when its work is done."""
        call()
        times: list[float] = []
        for _ in range(self.repeats):
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
        return median(times)


def flops(generator: Generator) -> float:
    """Return the floating-point operations of one clip."""
    with FlopCounterMode(display=False) as counter:
        sample(generator, 1, seed=0, batch=1)
    return float(counter.get_total_flops())


def peak(call: Call, device: torch.device) -> float:
    """Return the MiB of tensors that a call takes at its height beyond what was in use before."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        call()
        return (torch.cuda.max_memory_allocated(device) - before) / 2**20
    # The process's own size shows nothing: malloc keeps what was freed before.
    with _no_stderr(), profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        call()
    found = [e for e in profiler.profiler.kineto_results.events() if e.name() == "[memory]"]
    found.sort(key=lambda event: event.start_ns())
    return float(max(accumulate((event.nbytes() for event in found), initial=0))) / 2**20


@contextmanager
def _no_stderr() -> Iterator[None]:
    """Leave out what torch's profiler prints from C++ as it starts and stops."""
    before, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(nowhere)
