"""What reaches the trainer is a function of the seed and the position, whoever fetches it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch
from clips import folder, moving_block, save, save_frames, save_strip
from conftest import TINY, Command, assert_same, last_weights, spawn, wait_for

from vidgan_core.data.batch_loader import shuffled
from vidgan_core.data.batches import Batches
from vidgan_core.errors import VidganError
from vidgan_core.runs.checkpoint import available


def clips() -> None:
    save("clips/a.mp4", moving_block(40, seed=1), g="12", bf="2")
    save("clips/b.webm", moving_block(20, seed=2))
    save_frames("clips/c", moving_block(9, seed=3))
    save_strip("clips/d.png", moving_block(8, 24, 24, seed=4))


def taken(positions: list[int], *, workers: int, cache_gb: float) -> list[bytes]:
    dataset = folder(flip=True, fps=10.0, cache_gb=cache_gb)
    batches = Batches(dataset, 5, seed=3, workers=workers)
    try:
        return [batches(k)["video"].numpy().tobytes() for k in positions]
    finally:
        batches.close()


def test_any_number_of_workers_and_any_cache_give_the_same_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clips()
    monkeypatch.setenv("VIDGAN_CACHE", str(Path("cache").resolve()))
    expected = taken(list(range(12)), workers=0, cache_gb=1.0)
    assert len(set(expected)) == 12
    assert taken(list(range(12)), workers=1, cache_gb=1.0) == expected  # warm
    assert taken(list(range(12)), workers=4, cache_gb=0.0) == expected  # streaming
    shutil.rmtree("cache")
    assert taken(list(range(7, 12)), workers=4, cache_gb=1.0) == expected[7:]  # cold, resumed
    half = 20 * 16 * 16 * 3 * 3 / 2**30  # room for some videos and not for others
    assert taken(list(range(12)), workers=0, cache_gb=half) == expected


def test_two_runs_share_a_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes that fill and trim one small cache at once read what they should."""
    clips()
    monkeypatch.setenv("VIDGAN_CACHE", str(Path("cache").resolve()))
    expected = taken(list(range(8)), workers=0, cache_gb=0.0)
    program = (
        "import sys; from test_feeding import taken, hashlib_of\n"
        "print(hashlib_of(taken(list(range(8)), workers=0, cache_gb=4e-5)))\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, Path(__file__).parents[:2]))}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    assert [p.communicate()[0].strip() for p in both] == [hashlib_of(expected)] * 2
    assert not list(Path("cache/frames").glob("*.tmp"))


def hashlib_of(batches: list[bytes]) -> str:
    import hashlib

    return hashlib.sha256(b"".join(batches)).hexdigest()


def test_a_killed_run_with_workers_resumes_to_the_same_weights_and_leaves_no_process(
    vidgan: Command,
) -> None:
    clips()
    data = ("--data", "./clips", "--set", "data.flip=true", "--set", "data.cache_gb=0")
    arguments = ("run", *data, *TINY, "--steps", 8, "--set", "checkpoint.every=2")
    killed = spawn(*arguments, "--out", "killed", "--set", "data.workers=1")
    wait_for(lambda: available(Path("killed/checkpoints")))
    inner = Path(f"/proc/{killed.pid}/task/{killed.pid}/children").read_text().split()
    assert inner
    killed.kill()
    killed.communicate()
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in inner))
    assert vidgan("run", "--resume", "killed").code == 0
    assert vidgan(*arguments, "--out", "whole", "--set", "data.workers=0").code == 0
    assert_same(last_weights("whole"), last_weights("killed"))


def test_ctrl_c_with_workers_saves_and_stops() -> None:
    clips()
    process = spawn(
        *("run", "--data", "./clips", *TINY, "--steps", 100_000, "--out", "out"),
        *("--set", "data.workers=2", "--set", "trainer.report_every=1"),
        start_new_session=True,
    )
    wait_for(lambda: Path("out/metrics.jsonl").exists())
    os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to the whole group
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert available(Path("out/checkpoints"))


def readers(parent: int) -> list[int]:
    """The processes that read data for another one."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(child) for child in children if b"spawn_main" in command(child)]


def command(pid: str) -> bytes:
    """A process's command line; nothing if it has just ended, as a run's short-lived ones do."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def test_ctrl_c_does_not_reach_readers_that_are_starting() -> None:
    clips()
    process = spawn(
        *("run", "--data", "./clips", *TINY, "--steps", 2, "--out", "out"),
        *("--set", "data.workers=1"),
    )
    wait_for(lambda: readers(process.pid))
    for pid in readers(process.pid):
        os.kill(pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "Traceback" not in err


def test_a_worker_that_dies_is_an_error_and_not_a_hang() -> None:
    clips()
    batches = Batches(folder(), 4, seed=0, workers=1)
    batches(0)
    for pid in readers(os.getpid()):
        os.kill(pid, signal.SIGKILL)
    ask = (batches(position) for position in range(1, 9))  # some were ready before
    with pytest.raises(VidganError, match="a process that reads data has died"):
        list(ask)
    batches.close()


@pytest.mark.parametrize("size", [1, 2, 3, 10, 64, 65, 1000])
def test_the_order_is_a_permutation_that_the_seed_chooses(size: int) -> None:
    orders = [[shuffled(n, size, seed) for n in range(size)] for seed in range(3)]
    assert all(sorted(order) == list(range(size)) for order in orders)
    assert size < 10 or len(set(map(tuple, orders))) == 3


def test_the_order_is_random_enough() -> None:
    """Every number comes to every place about equally often: chi squared, 24 of freedom a place."""
    size, draws = 25, 4000
    places = [Counter(shuffled(0, size, seed) for seed in range(draws))]
    places += [Counter(shuffled(13, size, seed) for seed in range(draws))]
    pairs = Counter(shuffled(4, size, s) - shuffled(3, size, s) > 0 for s in range(draws))
    for found in places:
        expected = draws / size
        assert sum((found[i] - expected) ** 2 / expected for i in range(size)) < 60
    assert abs(pairs[True] - draws / 2) < 4 * (draws / 4) ** 0.5


def test_batches_reach_the_device_as_floats() -> None:
    clips()
    batches = Batches(folder(), 3, seed=0, dtype=torch.float64)
    video = batches(0)["video"]
    batches.close()
    assert video.dtype == torch.float64
    assert video.shape == (3, 3, 4, 16, 16)
    assert -1 <= float(video.min()) < float(video.max()) <= 1
