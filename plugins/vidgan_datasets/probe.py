"""Look into many films at once, each in a process that may hang, crash or eat memory.

Free of torch. A film that kills its process becomes an answer like any other.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from vidgan_core.media.read import Film
from vidgan_datasets.probe_limits import Limits

MOST_PROCESSES = 8
DYING = 2.0  # seconds from a process's last word to its end


def look_into(films: Iterable[Film], limits: Limits) -> Iterator[dict[str, Any]]:
    """Yield for each film, in order, what `probe_worker.look` says of it, or what became of it."""
    count = min(MOST_PROCESSES, os.cpu_count() or 1)
    readers = [Reader(limits) for _ in range(count)]
    idle = list(readers)

    def ask(film: Film) -> dict[str, Any]:
        reader = idle.pop()  # there are as many readers as threads
        try:
            return reader.ask(film)
        finally:
            idle.append(reader)

    pool = ThreadPoolExecutor(count, thread_name_prefix="scan")
    try:
        yield from pool.map(ask, films)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for reader in readers:
            reader.stop()


class Reader:
    """A process that reads one film after another; a new one takes over when it dies."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._process: subprocess.Popen[str] | None = None

    def ask(self, film: Film) -> dict[str, Any]:
        """Return the process's answer, or a record that says how it ended."""
        process = self._process or self._start()
        late = threading.Event()

        def kill() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(self._limits.seconds, kill)
        timer.start()
        try:
            assert process.stdin
            assert process.stdout
            job = {"kind": film.kind, "path": str(film.path), "pictures": film.pictures}
            process.stdin.write(json.dumps(job) + "\n")
            process.stdin.flush()
            answer: dict[str, Any] = json.loads(process.stdout.readline())
            return answer
        except (OSError, ValueError):  # it has died before or while it answered
            if not late.is_set():
                with suppress(subprocess.TimeoutExpired):
                    process.wait(DYING)  # so that it is not this that ends it
            self.stop()
            if late.is_set():
                reason = f"took longer than data.max_seconds = {self._limits.seconds:g}"
                return {"status": "refused", "reason": reason}
            return {"status": "damaged", "reason": f"killed its reader: {_death(process)}"}
        finally:
            timer.cancel()

    def stop(self) -> None:
        """End the process."""
        if process := self._process:
            self._process = None
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with suppress(BrokenPipeError):  # what was not read of a question is lost with it
                    if pipe:
                        pipe.close()

    def _start(self) -> subprocess.Popen[str]:
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "vidgan_datasets.probe_worker",
                json.dumps(asdict(self._limits)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="ascii",
            env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,  # Ctrl-C is for the process that asks
        )
        return self._process


def _death(process: subprocess.Popen[str]) -> str:
    code = process.returncode
    return signal.Signals(-code).name if code < 0 else f"exit status {code}"
