"""Work that is done ahead leaves nothing that a process would wait for at its end."""

from __future__ import annotations

import multiprocessing

import pytest

from vidgan_core.data.prefetch import Prefetcher


def double(number: int) -> int:
    return 2 * number


def fetch_and_leave(workers: int) -> None:
    ahead = Prefetcher(double, workers)
    assert [ahead(position) for position in range(3)] == [0, 2, 4]
    ahead.close()


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("turn", range(3))
def test_a_process_of_multiprocessing_ends_after_its_readers(workers: int, turn: int) -> None:
    """`multiprocessing` winds its processes up in an order of its own."""
    del turn
    process = multiprocessing.get_context("spawn").Process(target=fetch_and_leave, args=(workers,))
    process.start()
    process.join(60)
    if process.exitcode is None:
        process.kill()
    assert process.exitcode == 0
