"""Readers of files that nobody vouches for, on what Hypothesis makes up.

An hour of it: VIDGAN_FUZZ_SECONDS=3600 pytest tests/runs/test_fuzz.py
"""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import REGISTRY
from vidgan_datasets.folder_index import Record
from vidgan_datasets.probe_answer import read_answer
from vidgan_datasets.probe_limits import Limits
from vidgan_evaluation import results_store as store

from vidgan_core.config.resolve import resolve
from vidgan_core.config.sources import ConfigSources
from vidgan_core.errors import CheckpointError, VidganError
from vidgan_core.media.timestamps import Times
from vidgan_core.media.video_source import VideoSource
from vidgan_core.runs import bookkeeping
from vidgan_core.runs.safetensors_io import read_header

hypothesis = pytest.importorskip("hypothesis", reason="the extra dev has it")
from hypothesis import HealthCheck, given, settings, strategies  # noqa: E402

SECONDS = float(os.environ.get("VIDGAN_FUZZ_SECONDS", "8"))
PLAIN = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers()
    | strategies.floats() | strategies.text(max_size=20),
    lambda inner: strategies.lists(inner, max_size=4)
    | strategies.dictionaries(strategies.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


def keyed(*names: str) -> strategies.SearchStrategy[dict[str, object]]:
    """Objects with some of these keys and any values."""
    return strategies.dictionaries(strategies.sampled_from(names), PLAIN)


ENTRY = keyed("dtype", "shape", "data_offsets") | strategies.fixed_dictionaries(
    {
        "dtype": strategies.sampled_from(["F32", "U8", "BOOL", "X"]),
        "shape": strategies.lists(strategies.integers(-1, 2**60), max_size=9),
        "data_offsets": strategies.lists(strategies.integers(-1, 2**60), max_size=3),
    }
)
HEADER = strategies.dictionaries(strategies.text(max_size=8), ENTRY, max_size=4)
NUMBER = keyed(
    *("name", "value", "error", "floor", "better", "protocol", "features"),
    *("data", "split", "seed", "version", "seconds"),
)
EVALUATION = strategies.fixed_dictionaries(
    {"step": strategies.just(1) | PLAIN, "model": strategies.just("m") | PLAIN},
    optional={"numbers": strategies.lists(NUMBER, max_size=3) | PLAIN, "seconds": PLAIN},
)
TABLES = ("data", "generator", "discriminator", "loss", "term", "augment", "trainer", "metric",
          "features", "eval", "seed", "steps", "checkpoint", "samples", "log")  # fmt: skip
KEYS = ("name", "lr", "batch", "size", "weight", "every", "r1", "diffaugment", "width", "p")
CONFIG = strategies.dictionaries(
    strategies.sampled_from(TABLES) | strategies.text(max_size=5), PLAIN | keyed(*KEYS), max_size=4
)

COUNT = strategies.integers(-1, 5) | PLAIN
TIMES = r"\A(pts|dts|rate) [0-9]{1,2}(/[0-9]{1,2})? -?[0-9]{1,20}( [0-9]{1,20}\*[1-4]){0,3}"
FACTS = {
    "status": strategies.just("ok") | PLAIN,
    "reason": strategies.text(max_size=9) | PLAIN,
    "sha256": strategies.just("0" * 64) | PLAIN,
    "frames": COUNT,
    "height": COUNT,
    "width": COUNT,
    "rate": strategies.floats() | PLAIN,
    "times": strategies.from_regex(TIMES) | PLAIN,
    "gaps": strategies.lists(COUNT, max_size=3) | PLAIN,
    "cuts": strategies.lists(COUNT, max_size=3) | PLAIN,
    "interlaced": strategies.booleans() | PLAIN,
    "depth": strategies.sampled_from([8, 10, 12, 16]) | PLAIN,
    "left_out": strategies.lists(strategies.tuples(*[strategies.sampled_from("abc") | PLAIN] * 3)),
}  # fmt: skip
SURE = ("status", "reason", "sha256", "frames", "height", "width")
ANSWER = strategies.fixed_dictionaries(
    {key: FACTS[key] for key in SURE},
    optional={key: FACTS[key] for key in FACTS if key not in SURE},
)
READ = strategies.fixed_dictionaries({"read": strategies.integers(-1, 9) | PLAIN})


def fuzzed(
    strategy: strategies.SearchStrategy[object],
) -> Callable[[Callable[[object], None]], Callable[[], None]]:
    """Run a check on examples until the time is up."""

    def wrap(check: Callable[[object], None]) -> Callable[[], None]:
        def test() -> None:
            end = time.monotonic() + SECONDS / 5
            limits = {"deadline": None, "database": None, "max_examples": 100}

            @settings(**limits, suppress_health_check=list(HealthCheck))
            @given(strategy)
            def run(value: object) -> None:
                if time.monotonic() < end:
                    check(value)

            while time.monotonic() < end:
                run()

        test.__doc__ = check.__doc__
        return test

    return wrap


@fuzzed(strategies.tuples(strategies.binary(max_size=64) | HEADER, strategies.integers(0, 80)))
def test_safetensors_headers(value: tuple[bytes | dict[str, object], int]) -> None:
    """Each is read, or refused with a line."""
    header, size = value
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    data = len(text).to_bytes(8, "little") + text + bytes(size)
    try:
        read_header(Path("x"), io.BytesIO(data), len(data))
    except CheckpointError as error:
        assert str(error).isprintable()


@fuzzed(
    strategies.lists(strategies.binary(max_size=40) | keyed("step", "seconds", "x"), max_size=5)
)
def test_metrics(value: list[bytes | dict[str, object]]) -> None:
    """All that is returned is numbers, with a step."""
    path = Path("metrics.jsonl")
    lines = [x if isinstance(x, bytes) else json.dumps(x).encode() for x in value]
    path.write_bytes(b"\n".join(lines) + b"\n")
    before = bookkeeping.read_lines(path)
    assert all(isinstance(n, int | float) for line in before for n in line.values())
    bookkeeping.rewind_lines(path, 10**9)
    assert bookkeeping.read_lines(path) == [line for line in before if line["step"] <= 10**9]


@fuzzed(EVALUATION | PLAIN)
def test_evaluations(value: object) -> None:
    """What is returned can be printed in a table."""
    folder = Path("eval")
    folder.mkdir(exist_ok=True)
    (folder / "step-00000001.json").write_text(json.dumps(value))
    for evaluation in store.read(folder).values():
        assert all(cell.isprintable() for row in store.table([evaluation]) for cell in row)


@fuzzed(CONFIG)
def test_configurations(value: dict[str, object]) -> None:
    """Each is resolved, or refused with lines."""
    layers = ConfigSources()
    layers.add_tables(value, "fuzz")
    try:
        resolve(layers, REGISTRY)
    except VidganError as error:
        assert str(error)


@fuzzed(
    strategies.tuples(
        strategies.lists(strategies.text(max_size=40) | READ, max_size=3),
        ANSWER | PLAIN,
        strategies.sampled_from([(), ("a",), ("a", "b", "c")]),
    )
)
def test_answers_of_a_process_that_reads_videos(
    value: tuple[list[object], object, tuple[str, ...]],
) -> None:
    """Each is a record of a video whose times are those of its frames, or is refused."""
    before, answer, pictures = value
    lines = [x if isinstance(x, str) else json.dumps(x) for x in (*before, answer)]
    video = VideoSource("frames" if pictures else "video", Path("x"), pictures)
    try:
        facts = read_answer(io.StringIO("\n".join(lines) + "\n"), video, Limits(), lambda n: None)
    except ValueError:
        return
    record = Record("x", pictures=pictures, **facts)
    assert record.used or not pictures or record.status != "ok"
    assert (record.frames > 0) == (record.status == "ok")
    times = Times.parse(record.times)
    assert times is None or len(times.seconds()) == record.frames
    assert all(0 < place < record.frames for place in (*record.gaps, *record.cuts))
