"""Runs as real processes that can be killed, stopped and looked at, without the cost of imports.

A server process imports everything once and forks each run: a hundred kills in a minute.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import torch

from vidgan_core.runs import checkpoint

# Thousands of weights and milliseconds a step; everything that a run does, often.
LIVELY = (
    *("--gen", "conv3d", "--batch", "2"),
    *("--set", "generator.width=1", "--set", "discriminator.width=1"),
    *("--set", "generator.noise_size=4", "--set", "data.frames=4", "--set", "data.size=16"),
    *(
        "--set",
        "callback.pictures.count=1",
        "--set",
        "callback.pictures.every=7",
        "--set",
        "trainer.report_every=1",
    ),
    *("--set", "checkpoint.every=2", "--set", "trainer.device=cpu"),
)

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(
    [
        "vidgan_core.cli.run",
        "vidgan_core.training.run",
        "vidgan_callbacks.sample_pictures",
        "rich.progress",
    ]
)


def start(
    *arguments: object, err: Path | None = None, place: Mapping[str, object] | None = None
) -> ForkServerProcess:
    """Start the command line in this folder; `exitcode` is minus the signal that killed it.

    `place` holds environment variables.
    """
    texts = [str(argument) for argument in arguments]
    variables = {name: str(value) for name, value in (place or {}).items()}
    variables["VIDGAN_CACHE"] = os.environ["VIDGAN_CACHE"]
    process = _SERVER.Process(target=_command, args=(texts, os.getcwd(), variables, err))
    process.start()
    return process


def start_peers(*arguments: object, size: int = 2, err: str = "err") -> list[ForkServerProcess]:
    """Start the command line in `size` processes that train one run, as torchrun would.

    Each writes to a file of its own: err0, err1.
    """
    return [
        start(*arguments, err=Path(f"{err}{rank}"), place=place)
        for rank, place in enumerate(_places(size))
    ]


def call_peers(work: Callable[[int], object]) -> list[str]:
    """Call a function in two processes that can meet; return the JSON of what it returns."""
    processes = [
        _SERVER.Process(target=_call, args=(work, rank, place, f"{os.getcwd()}/result{rank}"))
        for rank, place in enumerate(_places(2))
    ]
    for process in processes:
        process.start()
    assert [finish(process) for process in processes] == [0, 0]
    return [Path(f"result{rank}").read_text() for rank in range(2)]


def _places(size: int) -> list[dict[str, str]]:
    """The environments of processes that can meet, as torchrun would make them."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(size)}
    return [{**meeting, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(size)]


def _call(work: Callable[[int], object], rank: int, place: dict[str, str], out: str) -> None:
    os.environ.update(place)
    Path(out).write_text(json.dumps(work(rank)))
    os._exit(0)


def finish(process: ForkServerProcess) -> int:
    """Wait for a process and return its exit code."""
    process.join(120)
    assert process.exitcode is not None, "a process did not end in two minutes"
    return process.exitcode


def wait_for(condition: Callable[[], object], process: ForkServerProcess) -> bool:
    """Wait until a condition holds; False if the process ends before."""
    deadline = time.monotonic() + 120
    while not condition():
        if not process.is_alive():
            return False
        assert time.monotonic() < deadline, "waited for two minutes"
        time.sleep(0.0003)  # leaves the processor to the run that is being watched
    return True


def steps_done(run: Path) -> int:
    """How many steps a run has logged."""
    try:
        return (run / "metrics.jsonl").read_bytes().count(b"\n")
    except OSError:
        return 0


def saving(run: Path, process: ForkServerProcess) -> bool:
    """Is the process in the middle of a save, or was it when it was killed?"""
    return any((run / "checkpoints").glob(f".tmp-step-*-{process.pid}"))


def final_state(run: Path) -> dict[str, torch.Tensor]:
    """Every tensor of a run's newest checkpoint: G, D, EMA, optimizers."""
    saved = checkpoint.newest(run / "checkpoints")
    assert saved
    return {f"ema.{n}": t for n, t in saved.model.items()} | dict(saved.train)


def assert_identical(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    assert first.keys() == second.keys()
    assert {n.partition(".")[0] for n in first} >= {"ema", "generator", "discriminator"}
    different = [n for n in first if not torch.equal(first[n], second[n])]
    assert not different


def spin(seconds: float) -> None:
    """Let a random moment pass; a sleep would be too coarse."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def moments(count: int, seed: int) -> list[random.Random]:
    """Sources of randomness for that many faults."""
    return [random.Random(f"{seed}/{number}") for number in range(count)]


def _command(arguments: list[str], folder: str, place: Mapping[str, str], err: Path | None) -> None:
    os.chdir(folder)
    os.environ.update(place)
    if paths := place.get("PYTHONPATH"):
        sys.path.insert(0, paths)
    descriptor = os.open(err or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.argv = ["vidgan", *arguments]
    torch.set_num_threads(1)
    from vidgan_core.cli import main

    main()
