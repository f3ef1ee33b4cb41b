"""Two processes that train one run, against one process that has the whole batch."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from random import Random
from unittest import mock

import pytest
import torch
from conftest import GOOD, Result, spawn
from faults import (
    LIVELY,
    assert_identical,
    call_peers,
    final_state,
    finish,
    spin,
    start_peers,
    wait_for,
)

from vidgan_core.runs import checkpoint
from vidgan_core.training.distributed.process_group import init_process_group

Command = Callable[..., Result]

PAIRS = {
    "mlp": ("--set", "data.frames=2", "--set", "data.size=8"),
    "conv3d": ("--set", "generator.width=2", "--set", "discriminator.width=2"),
    # whose groups of clips are not torn apart by two or three processes
    "modern": (
        *("--set", "generator.width=8", "--set", "discriminator.width=8"),
        *("--set", "discriminator.group=2"),
    ),
    "twostream": ("--set", "generator.width=4", "--set", "discriminator.width=4"),
}


def arguments(generator: str, *settings: str, steps: int = 1) -> list[object]:
    """A run whose updates change no weight, so that all gradients are those of the first ones."""
    small = ("data.frames=4", "data.size=16", "callback.pictures.count=1", "trainer.device=cpu")
    shared = ("trainer.precision=fp32", "optimizer.lr=1e-30", *settings)
    flags = [flag for setting in (*small, *shared) for flag in ("--set", setting)]
    return ["run", "--gen", generator, "--batch", 4, "--steps", steps, *flags, *PAIRS[generator]]


def train(out: str, *command: object, size: int = 1) -> dict[str, torch.Tensor]:
    """Train in `size` processes and return every tensor of the last checkpoint."""
    started = start_peers(*command, "--out", out, size=size, err=out)
    assert [finish(process) for process in started] == [0] * size, Path(f"{out}0").read_text()
    return final_state(Path(out))


def gradients(state: dict[str, torch.Tensor], player: str) -> torch.Tensor:
    """All gradients of a network in a row: after one update Adam's first moment is half of them."""
    start = f"optimizer.{player}."
    names = sorted(n for n in state if n.startswith(start) and n.endswith(".exp_avg"))
    return torch.cat([state[name].flatten().double() for name in names])


def assert_same_gradients(
    first: dict[str, torch.Tensor], second: dict[str, torch.Tensor], *, within: float = 1e-6
) -> None:
    for player in ("generator", "discriminator"):
        one, other = (gradients(state, player) for state in (first, second))
        assert one.norm() > 0
        assert (one - other).norm() <= within * one.norm(), (one - other).norm() / one.norm()


def test_gradients_of_two_processes_are_those_of_one() -> None:
    """Without BatchNorm; with the terms of `modern`, which differentiate twice.

    In double precision: in single precision the order of sums alone makes a millionth.
    """
    exact = arguments("modern", "trainer.precision=fp64")
    assert_same_gradients(train("one", *exact), train("two", *exact, size=2), within=1e-12)


def test_synchronised_batchnorm_is_that_of_the_whole_batch() -> None:
    sync = ("trainer.sync_batchnorm=true",)
    together = train("two", *arguments("conv3d", *sync), "--term", "r1", size=2)
    alone = train("one", *arguments("conv3d", *sync), "--term", "r1")
    assert_same_gradients(alone, together, within=1e-5)
    for name, statistic in alone.items():
        if name.endswith(("running_mean", "running_var", "num_batches_tracked")):
            torch.testing.assert_close(together[name], statistic, rtol=1e-5, atol=1e-7)


def test_two_processes_are_one_that_takes_its_batch_in_two_parts() -> None:
    """With BatchNorm, and with the frames that a critic draws for itself."""
    together = train("two", *arguments("twostream"), size=2)
    alone = train("one", *arguments("twostream", "trainer.accumulate=2"))
    assert_same_gradients(alone, together, within=1e-5)


def test_both_have_the_same_part_of_the_work_whatever_the_run_goes_through() -> None:
    """Three processes, several batches a step, reused fakes: as in one, to rounding."""
    settings = ("game.d_steps=2", "data.batch=6", "trainer.precision=fp64", "optimizer.lr=1e-4")
    command = arguments("modern", *settings, steps=5)
    together, alone = train("three", *command, size=3), train("one", *command)
    for name, tensor in alone.items():
        torch.testing.assert_close(together[name], tensor, rtol=1e-6, atol=1e-12)
    lines = [json.loads(Path(run, "metrics.jsonl").read_text().splitlines()[0]) for run in
             ("three", "one")]  # fmt: skip
    for name in ("discriminator/loss", "discriminator/r1", "generator/loss"):
        assert lines[0][name] == pytest.approx(lines[1][name], rel=1e-9)


def averaged(rank: int) -> dict[str, object]:
    """What one of two processes has after reducing gradients that only some of them have."""
    group = init_process_group()
    small = torch.nn.Parameter(torch.zeros(2))  # reduced before, so that more room is needed
    small.grad = torch.full((2,), 1.0 + rank)
    group.reduce([small], [], [], {"a": torch.tensor(0.0)})
    assert small.grad.tolist() == [1.5, 1.5]
    shapes = [(3,), (2, 3, 4, 4, 4), (2,), (2,)]
    parameters = [torch.nn.Parameter(torch.zeros(shape)) for shape in shapes]
    for parameter in parameters[: 2 + rank]:  # the third: here or there; the last: nowhere
        parameter.grad = torch.arange(parameter.numel()).view(parameter.shape) * (1.0 + rank)
    parameters[1].data = parameters[1].data.to(memory_format=torch.channels_last_3d)
    parameters[1].grad = parameters[1].grad.to(memory_format=torch.channels_last_3d)
    before = [torch.tensor([0.1, 0.7]), torch.ones(2)]
    now = [before[0].clone(), before[1] + 2 * rank]
    assert not group.stop_requested(rank == 1)
    scalars = group.reduce(parameters, now, before, {"a": torch.tensor(3.0 + rank)})
    return {
        "gradients": [p.grad if p.grad is None else p.grad.tolist() for p in parameters],
        "statistics": [tensor.tolist() for tensor in now],
        "a": scalars["a"].item(),
        "stop": group.stop_requested(False),
        "shared": any("memfd:vidgan" in line for line in Path("/proc/self/maps").open()),
    }


def averaged_without_files(rank: int) -> dict[str, object]:
    """The same where the first process can't make a file without a name."""
    with mock.patch("os.memfd_create", side_effect=OSError):
        return averaged(rank)


def averaged_without_memory(rank: int) -> dict[str, object]:
    """The same where it can, but not give it any memory."""
    with mock.patch("os.posix_fallocate", side_effect=OSError):
        return averaged(rank)


def averaged_afar(rank: int) -> dict[str, object]:
    """The same where the second process finds another file under the first one's path."""
    real = os.readlink
    link = mock.patch("os.readlink", lambda path: "/another" if "/fd/" in path else real(path))
    with link if rank == 1 else nullcontext():
        return averaged(rank)


@pytest.mark.parametrize(
    ("work", "shared"),
    [
        pytest.param(averaged, True, marks=pytest.mark.skipif(
            not hasattr(os, "memfd_create"), reason="no memory without a name on this system")),
        (averaged_without_files, False),
        (averaged_without_memory, False),
        (averaged_afar, False),
    ],
)  # fmt: skip
def test_what_all_have_is_averaged_and_what_nobody_has_stays_away(
    work: Callable[[int], object], shared: bool
) -> None:
    results = [json.loads(text) for text in call_peers(work)]
    assert results[0] == results[1]
    halves = [torch.arange(n) * 1.5 for n in (3, 2 * 3 * 64)]
    first, second, third, fourth = results[0]["gradients"]
    assert first == halves[0].tolist()
    assert second == halves[1].view(2, 3, 4, 4, 4).tolist()
    assert third == [0.0, 1.0]
    assert fourth is None
    assert results[0]["statistics"] == [torch.tensor([0.1, 0.7]).tolist(), [2.0, 2.0]]
    assert results[0]["a"] == 3.5
    assert results[0]["stop"] is True
    assert results[0]["shared"] is shared


def averaged_often(rank: int) -> dict[str, object]:
    """Averages of a network whose size and precision change, this process now ahead, now behind."""
    group, wrong, opened = init_process_group(), [], set()
    for number in range(200):
        dtype = (torch.float32, torch.float64)[number // 20 % 2]
        parameter = torch.nn.Parameter(torch.zeros(20_000 * (1 + number % 3), dtype=dtype))
        parameter.grad = torch.full_like(parameter, number + 2.0 * rank)
        if number % 2 == rank:
            spin(0.001)
        group.reduce([parameter], [], [], {"a": torch.tensor([0.0])})
        wrong += [number] * (not bool((parameter.grad == number + 1).all()))
        opened.add(len(os.listdir("/proc/self/fd")))
    return {"wrong": wrong, "opened": sorted(opened)}


def test_nobody_writes_before_all_have_read() -> None:
    for text in call_peers(averaged_often):
        assert json.loads(text)["wrong"] == []
        assert len(json.loads(text)["opened"]) == 1, "files are left open"


def test_what_is_not_finite_in_one_process_is_skipped_by_all(
    install: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = """
import os
from vidgan_core.interfaces import Loss as Base

class Loss(Base):
    count = 0

    def discriminator(self, real, fake):
        return fake.mean() - real.mean()

    def generator(self, real, fake):
        self.count += 1
        bad = self.count == 2 and os.environ["RANK"] == "1"
        return -fake.mean() * (float("nan") if bad else 1.0)
"""
    install("sour", GOOD, code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    done = subprocess.run(
        [sys.executable, "-m", "vidgan_core", *map(str, arguments("mlp", steps=4)),
         "--loss", "sour", "--nproc", "2", "--out", "out"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    saved = checkpoint.newest(Path("out/checkpoints"))
    assert saved
    assert (saved.state["step"], saved.state["skipped"]) == (4, 1)


def test_processes_that_drift_apart_are_noticed_before_anything_is_saved(
    install: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = """
import os
from vidgan_core.interfaces import Term

class Loss(Term):
    player = "generator"

    def after_update(self, network):
        list(network.parameters())[-1].add_(float(os.environ["RANK"]))
"""
    install("drift", GOOD.replace('"loss"', '"term"'), code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    done = subprocess.run(
        [sys.executable, "-m", "vidgan_core", *map(str, arguments("mlp")),
         "--term", "drift", "--nproc", "2", "--out", "out"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert "of process 1 is not what it is in the first" in done.stderr
    assert not checkpoint.available(Path("out/checkpoints"))


def test_mistakes_are_told_once() -> None:
    done = spawn("run", *LIVELY, "--batch", 3, "--nproc", 2)
    _, err = done.communicate(timeout=120)
    assert done.returncode == 2, err
    assert err.count("3 clips can't be shared out evenly to 2 processes; try a multiple of 2") == 1
    Path("full").mkdir()
    Path("full/file").touch()
    started = start_peers("run", *LIVELY, "--batch", 4, "--out", "full", err="full-")
    assert [finish(process) for process in started] == [2, 2]
    reported = Path("full-0").read_text() + Path("full-1").read_text()
    assert reported.count("error: full is not empty") == reported.count("error") == 1


def steps_done(run: str) -> int:
    try:
        return Path(run, "metrics.jsonl").read_bytes().count(b"\n")
    except OSError:
        return 0


def test_a_process_that_dies_ends_the_others_and_the_run_goes_on_as_if_nothing_was() -> None:
    command = ("run", *LIVELY, "--batch", 4, "--steps", 60, "--resume", "auto")
    whole = train("whole", *command, size=2)
    for victim in (0, 1):
        started = start_peers(*command, "--out", "killed", err=f"killed-{victim}-")
        goal = steps_done("killed") + 15
        assert wait_for(lambda goal=goal: steps_done("killed") >= goal, started[0])  # type: ignore[misc]
        started[victim].kill()
        assert finish(started[victim]) == -signal.SIGKILL
        assert finish(started[1 - victim]) == 1
        reported = Path(f"killed-{victim}-{1 - victim}").read_text()
        assert "error: another process of this run has ended, so this one does too" in reported
        assert "Traceback" not in reported
    assert_identical(whole, train("killed", *command, size=2))


def test_an_interrupt_ends_all_of_them_in_order() -> None:
    """The launcher passes it on; the step is finished and saved, and nobody is left."""
    process = spawn("run", *LIVELY, "--batch", 4, "--steps", 100000, "--out", "out", "--nproc", 2)
    assert wait_for_steps(process, "out", 3)
    ranks = children(process.pid)
    assert len(ranks) == 2
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert not [pid for pid in ranks if Path(f"/proc/{pid}").exists()]
    saved = checkpoint.newest(Path("out/checkpoints"))
    assert saved
    assert f"step-{saved.state['step']:06d}.mp4" in out


def wait_for_steps(process: subprocess.Popen[str], run: str, count: int) -> bool:
    """Wait until a run has logged so many steps; False if it ends before."""
    while steps_done(run) < count:
        try:
            process.wait(0.01)
        except subprocess.TimeoutExpired:
            continue
        return False
    return True


def children(pid: int) -> list[int]:
    """The processes that another one has started."""
    return [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdecimal() and parent(entry) == pid
    ]


def parent(entry: Path) -> int:
    try:
        found = re.search(r"^PPid:\t(\d+)$", (entry / "status").read_text(), re.MULTILINE)
    except OSError:  # it has just ended
        return 0
    return int(found[1]) if found else 0


@pytest.mark.slow
def test_torchrun_restarts_a_run_whose_processes_are_killed(
    record_property: Callable[[str, object], None],
) -> None:
    """Ten kills at random moments, of either process; the end is that of the undisturbed run."""
    command = ("run", *LIVELY, "--batch", 4, "--steps", 150, "--resume", "auto")
    whole = train("whole", *command, size=2)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    torchrun += ["--nproc-per-node", "2", "--max-restarts", "10", "-m", "vidgan_core"]
    with Path("log").open("w") as log:
        process = subprocess.Popen(
            [*torchrun, *map(str, command), "--out", "killed"], stdout=log, stderr=log, text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        for number in range(10):
            rng = Random(number)
            goal = steps_done("killed") + rng.randrange(1, 14)
            assert wait_for_steps(process, "killed", goal), Path("log").read_text()
            ranks = children(process.pid)
            os.kill(rng.choice(ranks), signal.SIGKILL)
            for pid in ranks:
                wait_until_gone(pid)
        assert process.wait(240) == 0, Path("log").read_text()
    assert_identical(whole, final_state(Path("killed")))
    record_property("torchrun, kill -9 of a process", "10 of 10 restarted, the same last bit")


def wait_until_gone(pid: int) -> None:
    """Wait until a process has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    assert select.select([descriptor], [], [], 120)[0]
    os.close(descriptor)


def test_more_processes_than_clips_are_refused_before_one_starts(vidgan: Command) -> None:
    with mock.patch("subprocess.Popen", side_effect=AssertionError("a process is started")):
        result = vidgan("run", *LIVELY, "--nproc", 100_000)
        assert (result.code, result.out) == (2, "")
        assert "2 clips are too few for 100000 processes" in result.err
        Path("c.toml").write_text("[data]\nbatch = 6\n")
        assert vidgan("run", "-c", "c.toml", "--nproc", 7).code == 2
        assert vidgan("run", "--gen", "modern", "--nproc", 100_000).code == 2


@pytest.mark.parametrize("name", ["WORLD_SIZE", "LOCAL_RANK"])
@pytest.mark.parametrize("value", ["abc", "", "-1", "1e3", "\x1b[2J", "9" * 5000])
def test_a_number_of_processes_that_is_none_gets_a_line(
    name: str, value: str, vidgan: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    result = vidgan("run", *LIVELY, "--steps", 1)
    assert result.code == 2, result.err
    assert f"error: the environment variable {name} is" in result.err
    assert len(result.err.splitlines()) == 1
    assert "\x1b" not in result.err


FAILS = """
import os, time
from vidgan_core.interfaces import Loss as Base
from vidgan_core.errors import VidganError

class Loss(Base):
    def discriminator(self, real, fake):
        if os.environ["RANK"] == "0":
            raise Slow("the leader knows why")
        return fake.mean() - real.mean()

    def generator(self, real, fake):
        return -fake.mean()

class Slow(VidganError):
    def __str__(self):
        time.sleep(1.0)  # a machine under load
        return super().__str__()
"""


def test_the_leaders_error_is_never_lost(
    install: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others end when the leader closes its connections: they may be the first to be gone."""
    install("fails", GOOD, FAILS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    for _ in range(3):
        done = spawn("run", *LIVELY, "--batch", 4, "--loss", "fails", "--nproc", 2)
        _, err = done.communicate(timeout=120)
        assert done.returncode == 1, err
        assert "error: the leader knows why" in err


def test_the_processes_of_nproc_meet_where_no_other_machine_can(tmp_path: Path) -> None:
    """Every socket that listens does so on the loopback; the meeting is in a private folder."""
    process = spawn(
        "run", *LIVELY, "--batch", 4, "--steps", 100_000, "--out", "out", "--nproc", 2,
        env=os.environ | {"TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        assert wait_for_steps(process, "out", 2), process.communicate()[1]
        (folder,) = tmp_path.glob("vidgan-*")
        assert folder.stat().st_mode & 0o077 == 0
        addresses = {a for pid in children(process.pid) for a in listening(pid)}
        assert addresses <= {"0100007F", "0" * 24 + "01000000", "0" * 16 + "FFFF00000100007F"}
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
    assert not list(tmp_path.glob("vidgan-*"))


def listening(pid: int) -> list[str]:
    """The addresses (as the kernel writes them) on which a process listens."""
    folder = Path(f"/proc/{pid}")
    links = [os.readlink(path) for path in (folder / "fd").iterdir()]
    own = {link[8:-1] for link in links if link.startswith("socket:[")}
    rows = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in (folder / "net" / table).read_text().splitlines()[1:]
    ]
    return [row[1].partition(":")[0] for row in rows if row[3] == "0A" and row[9] in own]
