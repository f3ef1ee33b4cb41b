"""Look into many videos at once, each in a process that may hang, crash or eat memory.

Free of torch. A video that kills its process becomes an answer like any other.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from vidgan_core.media.video_source import VideoSource
from vidgan_datasets.archive_answer import read_listing
from vidgan_datasets.picture_kind import Layout
from vidgan_datasets.probe_answer import read_answer
from vidgan_datasets.probe_limits import Limits

PROGRAM = (sys.executable, "-m", "vidgan_datasets.probe_worker")
MOST_PROCESSES = 8
DYING = 2.0  # seconds from a process's last word to its end
LOOK_EVERY = 0.25  # seconds


class Listing(NamedTuple):
    """The job of finding out what lies in an archive."""

    path: Path
    layout: Layout


Job: TypeAlias = VideoSource | Listing
Progress = Callable[[Job, int], None]  # is told how many frames or files have been read


def look_into(jobs: Iterable[Job], limits: Limits, progress: Progress) -> Iterator[dict[str, Any]]:
    """Yield for each job, in order, what `probe_worker.answer` found, or what became of it."""
    count = min(MOST_PROCESSES, os.cpu_count() or 1)
    readers = [Reader(limits, progress) for _ in range(count)]
    idle = list(readers)

    def ask(job: Job) -> dict[str, Any]:
        reader = idle.pop()  # there are as many readers as threads
        try:
            return reader.ask(job)
        finally:
            idle.append(reader)

    pool = ThreadPoolExecutor(count, thread_name_prefix="probe")
    try:
        yield from pool.map(ask, jobs)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for reader in readers:
            reader.stop()


class Reader:
    """A process that reads one video after another; a new one takes over when it dies."""

    def __init__(self, limits: Limits, progress: Progress) -> None:
        self._limits, self._progress = limits, progress
        self._process: subprocess.Popen[str] | None = None

    def ask(self, job: Job) -> dict[str, Any]:
        """Return the process's answer, or a record that says how it ended."""
        process = self._process or self._start()
        with Watch(process, self._limits.seconds) as watch:
            try:
                return self._answer(process, job, watch)
            except (OSError, ValueError) as error:  # it has died before or while it answered
                if not watch.killed:
                    with suppress(subprocess.TimeoutExpired):
                        process.wait(DYING)  # so that it is not this that ends it
                died = process.returncode is not None
                self.stop()
                reason = f"killed its reader: {_death(process)}" if died else f"its reader: {error}"
        if watch.killed:
            reason = f"no progress within data.max_seconds = {self._limits.seconds:g}"
            return {"status": "refused", "reason": reason}
        return {"status": "damaged", "reason": reason}

    def _answer(self, process: subprocess.Popen[str], job: Job, watch: Watch) -> dict[str, Any]:
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(_question(job)) + "\n")
        process.stdin.flush()

        def progress(frames: int) -> None:
            watch.restart()
            self._progress(job, frames)

        if isinstance(job, Listing):
            return read_listing(process.stdout, job.path.stat().st_size, progress)
        return read_answer(process.stdout, job, self._limits, progress)

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
            [*PROGRAM, json.dumps(asdict(self._limits)), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="ascii",
            env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,  # Ctrl-C is for the process that asks
        )
        return self._process


class Watch:
    """Kills a process that works or sleeps for too long without progress.

    Waiting for a processor or a disk does not count: what is in a data set must not depend on how
    busy the machine was. Where the system doesn't tell, all time counts.
    """

    def __init__(self, process: subprocess.Popen[str], seconds: float) -> None:
        self._process, self._seconds = process, seconds
        self._asleep = 0.0
        self._worked_before = _activity(process.pid)[0]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.killed = False

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def restart(self) -> None:
        """Begin anew: there was progress."""
        self._asleep, self._worked_before = 0.0, _activity(self._process.pid)[0]

    def _look(self) -> None:
        before = time.monotonic()
        while not self._over.wait(min(LOOK_EVERY, self._seconds)):
            now = time.monotonic()
            worked, asleep = _activity(self._process.pid)
            self._asleep += (now - before) * asleep
            before = now
            if max(self._asleep, worked - self._worked_before) > self._seconds:
                self.killed = True
                self._process.kill()
                return


def _question(job: Job) -> dict[str, Any]:
    if isinstance(job, Listing):
        return {"kind": "archive", "path": str(job.path), "layout": job.layout}
    facts = {"pictures": job.pictures, "folder": job.folder, "places": job.places}
    return {"kind": job.kind, "path": str(job.path), **facts}


def _activity(pid: int) -> tuple[float, bool]:
    """Return the processor time of a process in seconds, and whether it sleeps by itself."""
    try:
        state, *rest = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return (int(rest[10]) + int(rest[11])) / os.sysconf("SC_CLK_TCK"), state == "S"
    except (OSError, ValueError, IndexError):
        return 0.0, True


def _death(process: subprocess.Popen[str]) -> str:
    code = process.returncode
    return signal.Signals(-code).name if code < 0 else f"exit status {code}"
