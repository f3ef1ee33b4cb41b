"""Streams that are closed, broken or watched by a terminal; terminals that hang up."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import spawn, wait_for
from faults import LIVELY, steps_done

from vidgan_core.runs import checkpoint
from vidgan_core.streams import SafeStream

ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}
RUN = ("run", *LIVELY, "--out", "out")


def shell(line: str) -> subprocess.CompletedProcess[str]:
    command = line.replace("vidgan ", f"{sys.executable} -m vidgan_core ", 1)
    return subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, env=ENVIRONMENT, timeout=120
    )


def last_step() -> int:
    saved = checkpoint.newest(Path("out/checkpoints"))
    assert saved
    return int(saved.state["step"])


RUN_LINE = "vidgan " + " ".join(map(str, RUN)) + " --steps 12"


@pytest.mark.parametrize(
    "line",
    [
        f"{RUN_LINE} 2>&-",
        f"{RUN_LINE} >&- 2>&-",
        f"{RUN_LINE} <&- >&- 2>&-",
        f"{RUN_LINE} 2>&1 | head -c 1; exit ${{PIPESTATUS[0]}}",
        f"{RUN_LINE} 2> >(exit 0)",
        f"{RUN_LINE} 2> /dev/full > /dev/full",
    ],
)
def test_a_run_does_not_need_anybody_to_read_what_it_says(line: str) -> None:
    done = shell(line)
    assert done.returncode == 0, done.stderr
    assert last_step() == 12
    assert "Traceback" not in done.stderr


def test_what_goes_to_a_closed_stderr_lands_in_no_file() -> None:
    """The first file that is opened would get its number, and the messages of libraries."""
    done = shell(f"{RUN_LINE} 2>&-")
    assert done.stdout.strip() == "out/samples/step-000012.mp4 (and .gif, .png), out/curves.png"


@pytest.mark.parametrize("gone", [False, True])
def test_a_signal_to_a_run_without_a_stderr_saves(gone: bool) -> None:
    reader, writer = os.pipe()
    process = spawn(*RUN, "--steps", 100_000, stderr=writer, env=ENVIRONMENT)
    os.close(writer)
    if gone:
        os.close(reader)
    assert wait_for_steps(process, 3)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 143
    assert last_step() == steps_done(Path("out"))


def wait_for_steps(process: subprocess.Popen[str], count: int) -> bool:
    wait_for(lambda: steps_done(Path("out")) >= count or process.poll() is not None)
    return process.poll() is None


@pytest.mark.parametrize("processes", [1, 2])
def test_a_terminal_that_hangs_up_saves_and_stops(processes: int) -> None:
    """As a lost ssh session does it: everything on the terminal gets SIGHUP, more than once."""
    pid, terminal = pty.fork()
    if pid == 0:
        arguments = [*RUN, "--steps", 100_000, "--batch", 4, "--nproc", processes]
        command = [sys.executable, "-m", "vidgan_core", *map(str, arguments)]
        os.execve(sys.executable, command, ENVIRONMENT)
    wait_for(lambda: drained(terminal) and steps_done(Path("out")) >= 3)
    os.close(terminal)  # the kernel sends SIGHUP to the terminal's processes
    for _ in range(3):
        try:
            os.kill(pid, signal.SIGHUP)
        except ProcessLookupError:
            break
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 129
    assert last_step() == steps_done(Path("out"))


def drained(terminal: int) -> bool:
    """Read what is there, so that the process is never kept waiting."""
    os.set_blocking(terminal, False)
    try:
        while os.read(terminal, 1 << 16):
            pass
    except OSError:
        pass
    return True


def test_nohup_is_respected() -> None:
    process = spawn(
        *RUN, "--steps", 40, env=ENVIRONMENT,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )  # fmt: skip
    assert wait_for_steps(process, 3)
    process.send_signal(signal.SIGHUP)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert last_step() == 40


HANGS = """
from vidgan_core import Component, hookimpl

@hookimpl
def vidgan_components():
    yield Component("dataset", "{name}", "{module}_code:Data", "clips of a disk that goes away")
"""
HANGING = """
import os
import time
from pathlib import Path
import numpy as np
from vidgan_core.interfaces import Dataset

HANG = (Path("hang"), Path(f"hang{os.environ.get('RANK')}"))

class Data(Dataset):
    fingerprint = "hanging"

    def __len__(self):
        return 8

    def item(self, index):
        while any(path.exists() for path in HANG):
            time.sleep(0.05)
        return {"video": np.full(self.spec.shape, index, np.uint8)}
"""


# What makes the data hang in all of a run's processes, in the first of two, or in the second.
EVERYWHERE, FIRST, SECOND = "hang", "hang0", "hang1"


@pytest.mark.parametrize(
    ("workers", "d_steps", "size", "where"),
    [
        (0, 3, 1, EVERYWHERE),
        (1, 1, 1, EVERYWHERE),
        (0, 3, 2, SECOND),
        pytest.param(0, 3, 2, FIRST, marks=pytest.mark.slow),
        pytest.param(1, 1, 2, EVERYWHERE, marks=pytest.mark.slow),
    ],
)
def test_data_that_hang_do_not_keep_a_run_from_being_saved(
    workers: int,
    d_steps: int,
    size: int,
    where: str,
    install: Callable[..., None],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """A disk that no longer answers, and one SIGTERM: what a cluster sends before SIGKILL."""
    install("away", HANGS, HANGING)
    environment = ENVIRONMENT | {"PYTHONPATH": str(tmp_path / "site")}
    options = ("--data", "away", "--set", f"data.workers={workers}")
    process = spawn(
        *RUN, *options, "--set", f"game.d_steps={d_steps}", "--steps", 100_000,
        "--set", "checkpoint.every=100000", "--batch", 4, "--nproc", size, env=environment,
    )  # fmt: skip
    assert wait_for_steps(process, 5)
    Path(where).touch()
    wait_for(still(process))
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    assert "Traceback" not in err
    assert last_step() == steps_done(Path("out"))
    record_property("hanging data", f"{size} processes, {where}: saved and left with 143")


def still(process: subprocess.Popen[str]) -> Callable[[], bool]:
    """Return whether a run has not moved since it was asked last."""
    observed = [-1]

    def check() -> bool:
        observed.append(steps_done(Path("out")))
        return len(observed) > 300 and len(set(observed[-300:])) == 1

    return check


class Broken:
    """A stream whose reader has gone."""

    encoding = "ascii"

    def __init__(self) -> None:
        self.written: list[str] = []

    def write(self, text: str) -> int:
        self.written.append(text)
        return len(text)

    def flush(self) -> None:
        raise BrokenPipeError


def test_what_can_not_be_printed_is_escaped() -> None:
    raw = Broken()
    stream = SafeStream(raw, steady=True)  # type: ignore[arg-type]
    stream.write("a\x1b[2J\r\x9b\u202e\udcff\u00e9\n\tb")
    stream.flush()
    assert raw.written == ["a\\x1b[2J\\r\\x9b\\u202e\\udcff\\xe9\n\tb"]
    with pytest.raises(BrokenPipeError):
        SafeStream(raw, steady=False).flush()  # type: ignore[arg-type]
