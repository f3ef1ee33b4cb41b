"""`vidgan run --nproc N`: the same command in N processes of this machine. Free of torch."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from types import FrameType

from vidgan_core.errors import Exit
from vidgan_core.training.distributed.env import LIFELINE

LOG = logging.getLogger("vidgan.training")
ORDERLY = (Exit.OK, Exit.INTERRUPTED, Exit.TERMINATED)
GRACE = 30.0  # seconds that the others have to end in when one has failed


def launch(size: int, arguments: Sequence[str]) -> int:
    """Run `vidgan ARGUMENTS` in `size` processes and return the exit code.

    A signal is passed on to all of them. If one fails the others are ended.
    """
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    children = [_start(arguments, rank, size, port) for rank in range(size)]
    with _passing_signals_on(children):
        return _wait({child.pid: (rank, child) for rank, child in enumerate(children)})


def _start(arguments: Sequence[str], rank: int, size: int, port: int) -> subprocess.Popen[bytes]:
    threads = max(1, (os.cpu_count() or 1) // size)
    numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "MASTER_PORT": port}
    return subprocess.Popen(
        [sys.executable, "-m", "vidgan_core", *arguments],
        env={"OMP_NUM_THREADS": str(threads)}
        | os.environ
        | {name: str(number) for name, number in numbers.items()}
        | {"MASTER_ADDR": "127.0.0.1", LIFELINE: "1"},
        stdin=subprocess.PIPE,
        start_new_session=True,  # a terminal's Ctrl-C is passed on, once, and not sent twice
    )


Children = Mapping[int, tuple[int, subprocess.Popen[bytes]]]


def _wait(children: Children) -> int:
    """Wait for all processes and end them when one fails; return the code of the first that did.

    Logs it if a signal was to blame: the process itself could not.
    """
    running = dict(children)
    result: int = Exit.OK
    while running:
        pid, status = os.wait()
        rank, child = running.pop(pid)
        child.returncode = code = os.waitstatus_to_exitcode(status)
        if result in ORDERLY:
            result = code if code >= 0 else Exit.FAILED
            if code < 0:
                name = signal.Signals(-code).name
                LOG.error("process %d of the run was ended by %s", rank, name)
            if result not in ORDERLY:
                _end([other for _, other in running.values()])
    return result


def _end(children: Sequence[subprocess.Popen[bytes]]) -> None:
    """Ask processes to end, and see to it that they do."""
    _send(children, signal.SIGTERM)
    timer = threading.Timer(GRACE, _send, (children, signal.SIGKILL))
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

    before = {n: signal.signal(n, pass_on) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
