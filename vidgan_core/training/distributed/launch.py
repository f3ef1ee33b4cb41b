"""`vidgan run --nproc N`: the same command in N processes of this machine. Free of torch."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from vidgan_core.errors import Exit
from vidgan_core.training.distributed.env import LIFELINE, MEETING

logger = logging.getLogger("vidgan.training")
ORDERLY = (Exit.OK, Exit.INTERRUPTED, Exit.TERMINATED, Exit.HUNG_UP)
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
TALK = 5.0  # seconds that the others have to say why the run fails, when one has ended
GRACE = 30.0  # seconds that they have to end in once they are told to


def launch(size: int, arguments: Sequence[str]) -> int:
    """Run `vidgan ARGUMENTS` in `size` processes and return the exit code.

    They meet in a folder that nobody else may enter. A signal is passed on to all of them. If one
    fails the others are ended.
    """
    with tempfile.TemporaryDirectory(prefix="vidgan-", ignore_cleanup_errors=True) as folder:
        meeting = Path(folder) / "meeting"
        children = [_start(arguments, rank, size, meeting) for rank in range(size)]
        with _passing_signals_on(children):
            return _wait({child.pid: (rank, child) for rank, child in enumerate(children)})


def _start(
    arguments: Sequence[str], rank: int, size: int, meeting: Path
) -> subprocess.Popen[bytes]:
    threads = max(1, (os.cpu_count() or 1) // size)
    numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size}
    return subprocess.Popen(
        [sys.executable, "-m", "vidgan_core", *arguments],
        env={"OMP_NUM_THREADS": str(threads)}
        | _loopback_alone()
        | os.environ
        | {name: str(number) for name, number in numbers.items()}
        | {MEETING: str(meeting), LIFELINE: "1"},
        stdin=subprocess.PIPE,
        start_new_session=True,  # a terminal's Ctrl-C is passed on, once, and not sent twice
    )


def _loopback_alone() -> dict[str, str]:
    """Return settings by which gloo and nccl talk where no other machine can listen or join."""
    names = (name for _, name in socket.if_nameindex()) if hasattr(socket, "if_nameindex") else ()
    found = next((name for name in names if name in ("lo", "lo0")), None)
    return {"GLOO_SOCKET_IFNAME": found, "NCCL_SOCKET_IFNAME": found} if found else {}


Children = Mapping[int, tuple[int, subprocess.Popen[bytes]]]


def _wait(children: Children) -> int:
    """Wait for all processes and end them when one fails; return the code of the first that did.

    Logs it if a signal was to blame: the process itself could not.
    """
    running = dict(children)
    result: int = Exit.OK
    while running:
        pid, status = os.wait()
        if pid not in running:  # what another library of this process has started
            continue
        rank, child = running.pop(pid)
        child.returncode = code = os.waitstatus_to_exitcode(status)
        if result in ORDERLY:
            result = code if code >= 0 else Exit.FAILED
            if code < 0:
                name = signal.Signals(-code).name
                logger.error("process %d of the run was ended by %s", rank, name)
            if result not in ORDERLY:
                _end([other for _, other in running.values()])
    return result


def _end(children: Sequence[subprocess.Popen[bytes]]) -> None:
    """Let processes end by themselves, ask them to, and see to it that they do.

    One that fails takes the others along, and the first to end need not be the one that knows
    why: the leader says it, and may be about to.
    """
    for delay, number in ((TALK, signal.SIGTERM), (TALK + GRACE, signal.SIGKILL)):
        timer = threading.Timer(delay, _send, (children, number))
        timer.daemon = True
        timer.start()


def _send(children: Sequence[subprocess.Popen[bytes]], number: int) -> None:
    for child in children:
        if child.returncode is None:  # not waited for yet: the number is still its own
            os.kill(child.pid, number)  # Popen.send_signal would wait, and take it from os.wait


@contextmanager
def _passing_signals_on(children: Sequence[subprocess.Popen[bytes]]) -> Iterator[None]:
    def pass_on(number: int, frame: FrameType | None) -> None:
        _send(children, number)

    numbers = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    obeyed = [n for n in numbers if signal.getsignal(n) is not signal.SIG_IGN]  # not under nohup
    before = {n: signal.signal(n, pass_on) for n in obeyed}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
