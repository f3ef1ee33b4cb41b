"""Work done ahead: in a thread, or in processes that outlive neither their parent nor Ctrl-C."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any, Generic, TypeVar

from vidgan_core.errors import StalledError, VidganError
from vidgan_core.lifeline import end_with_parent

T = TypeVar("T")
POLL = 0.5  # seconds between two looks at whether to stop
PATIENCE = 5.0  # seconds that data are waited for when the process is asked to stop
stuck: list[object] = []  # what could not be closed: the interpreter would wait for it at its end


class Prefetcher(Generic[T]):
    """Calls a function of a position, and in the background of the positions that follow it."""

    def __init__(self, work: Callable[[int], T], workers: int) -> None:
        self.give_up: Callable[[], bool] = lambda: False  # is the process asked to stop?
        self._asked: float | None = None  # when it was found in vain that work is to stop
        self._depth = workers + 1
        self._waiting: dict[int, Future[T]] = {}
        self._executor: Executor
        if workers:
            self._work: Callable[[int], T] = _call
            # spawn: a fork would copy threads' locks, and CUDA can't live in one
            self._executor = ProcessPoolExecutor(workers, get_context("spawn"), _adopt, (work,))
        else:
            self._work = work
            self._executor = ThreadPoolExecutor(1, thread_name_prefix="ahead")

    def __call__(self, position: int) -> T:
        """Return the work of a position.

        Raises VidganError when a process has died, and StalledError when the work is not done
        some seconds after `give_up` has come true: data on a disk that no longer answers.
        """
        wanted = range(position, position + 1 + self._depth)
        for other in [number for number in self._waiting if number not in wanted]:
            self._waiting.pop(other).cancel()
        try:
            for number in wanted:
                if number not in self._waiting:
                    with _interrupts_held():
                        self._waiting[number] = self._executor.submit(self._work, number)
            if not self._done([self._waiting[position]]):
                raise StalledError("the data do not come")
            return self._waiting.pop(position).result()
        except BrokenProcessPool:
            raise VidganError("a process that reads data has died; see data.workers") from None

    def close(self) -> None:
        """Finish what has begun and drop the rest."""
        done = self._done([future for future in self._waiting.values() if not future.cancel()])
        # Only the first call can wait. Without it, a process that multiprocessing has started
        # closes the queue to its readers before they are told to end, and waits for them for ever.
        self._executor.shutdown(wait=done, cancel_futures=True)
        if not done:
            stuck.append(self)

    def _done(self, futures: Sequence[Future[T]]) -> bool:
        """Wait for work to be done; False once it was waited for in vain after `give_up`."""
        while not all(future.done() for future in futures):
            wait_for(futures, timeout=POLL)
            if self._asked is None and self.give_up():
                self._asked = time.monotonic()
            if self._asked is not None and time.monotonic() - self._asked > PATIENCE:
                return False
        return True


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Start processes that no Ctrl-C reaches, not even while they are being imported.

    They inherit what is blocked; a Ctrl-C meanwhile is delivered to this one at the end.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_adopted: Callable[[int], Any] | None = None


def _adopt(work: Callable[[int], Any]) -> None:
    """Prepare a process: keep the function, leave signals to the parent, die with it."""
    global _adopted  # noqa: PLW0603 - a process's initializer has no other place
    _adopted = work
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()


def _call(number: int) -> Any:
    assert _adopted
    return _adopted(number)
