"""Garbled metrics, marks and evaluations: a run goes on, and what is wrong is left out."""

from __future__ import annotations

import json
import os
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from conftest import Result
from vidgan_evaluation import results_store as store

from vidgan_core.runs import bookkeeping
from vidgan_core.runs.bookkeeping import Best, mark_best, read_best
from vidgan_core.runs.folder import RunDir

Command = Callable[..., Result]
GOOD = b'{"step": 1, "seconds": 0.5, "loss": 2.0}\n'
DEEP = b"[" * 100_000
# What a line of metrics.jsonl, best.json or an evaluation may have become.
GARBLED = {
    "a number": b"3",
    "null": b"null",
    "a list": b"[]",
    "an empty object": b"{}",
    "a word": b'"step"',
    "no step": b'{"loss": 1.0}',
    "a step that is a word": b'{"step": "1"}',
    "a step that is a list": b'{"step": [1]}',
    "a step that is null": b'{"step": null}',
    "a step that is true": b'{"step": true}',
    "a step that is NaN": b'{"step": NaN}',
    "a step below zero": b'{"step": -1}',
    "a huge step": b'{"step": 1' + b"0" * 400 + b"}",
    "a step of too many digits": b'{"step": 1' + b"0" * 5000 + b"}",
    "half a line": b'{"step": 1, "lo',
    "no text": b"\xff\xfe\x00",
    "zeros": bytes(1000),
    "deep nesting": DEEP,
    "deep objects": b'{"step":' * 100_000,
    "deep and whole": b'{"step": 1, "x": ' + b"[" * 900 + b"]" * 900 + b"}",
    "a long line": b'{"step": 1, "x": "' + b"a" * 100_000 + b'"}',
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of two steps."""
    from conftest import REGISTRY, small

    from vidgan_core.training.run import Run

    config = small(
        "conv3d",
        *("minimax", "generator.width=1", "discriminator.width=1", "generator.noise_size=4"),
        *("steps=2", "checkpoint.every=1", "trainer.report_every=1"),
        "callback.metrics-log.enabled=true",
    )
    run = Run(config, REGISTRY)
    run.begin(RunDir.create(tmp_path_factory.mktemp("trained") / "run", "run"))
    run.fit()
    run.folder.metrics_file.write_bytes(GOOD)
    return run.folder.path


@pytest.fixture
def run(trained: Path) -> Path:
    return Path(shutil.copytree(trained, "run"))


@pytest.mark.parametrize("case", GARBLED)
def test_a_garbled_line_costs_that_line_alone(case: str, run: Path) -> None:
    metrics = run / "metrics.jsonl"
    metrics.write_bytes(GOOD + GARBLED[case] + b"\n" + GOOD)
    folder = RunDir.open(run)
    expected = {"step": 1, "seconds": 0.5, "loss": 2.0}
    assert [line for line in folder.read_metrics() if "loss" in line] == [expected] * 2
    folder.rewind(2)
    assert [line for line in folder.read_metrics() if "loss" in line] == [expected] * 2


@pytest.mark.parametrize("case", GARBLED)
@pytest.mark.parametrize("name", ["metrics.jsonl", "checkpoints/best.json", "eval"])
def test_a_run_goes_on_whatever_is_in_its_books(
    case: str, name: str, run: Path, vidgan: Command, record_property: Callable[[str, object], None]
) -> None:
    (run / "eval").mkdir()
    path = run / (name if name != "eval" else "eval/step-00000001.json")
    path.write_bytes(GARBLED[case])
    goes_on(run, vidgan)
    record_property("garbled books", f"{name}, {case}: resumed")


def goes_on(run: Path, vidgan: Command) -> None:
    result = vidgan("run", "--resume", run, "--steps", 3)
    assert result.code == 0, result.err
    assert RunDir.open(run).read_metrics()[-1]["step"] == 3
    assert vidgan("inspect", run).code == 0


@pytest.mark.parametrize("name", ["metrics.jsonl", "checkpoints/best.json"])
@pytest.mark.parametrize("kind", ["a pipe", "a folder", "a device", "a loop"])
def test_what_is_no_file_is_not_read(kind: str, name: str, run: Path, vidgan: Command) -> None:
    path = run / name
    path.unlink(missing_ok=True)
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a folder":
        path.mkdir()
        (path / "mine").touch()
    else:
        path.symlink_to("/dev/zero" if kind == "a device" else path.name)
    goes_on(run, vidgan)
    if kind == "a folder":
        assert len([*run.rglob("mine")]) == 1, "what the user has put there is gone"


@pytest.mark.parametrize("seed", range(100))
def test_a_flipped_bit_in_the_metrics_stops_nothing(seed: int, run: Path) -> None:
    rng = Random(seed)
    data = bytearray(GOOD * 20)
    bit = rng.randrange(8 * len(data))
    data[bit // 8] ^= 1 << bit % 8
    (run / "metrics.jsonl").write_bytes(data)
    folder = RunDir.open(run)
    folder.rewind(2)
    assert len(folder.read_metrics()) >= 18  # a newline that is gone costs two lines


def test_what_is_kept_of_the_metrics_keeps_its_bytes(run: Path) -> None:
    lines = b'{"step":1,"loss":1.10}\n{ "step": 2 }\n{"step": 3}\n'
    (run / "metrics.jsonl").write_bytes(lines)
    RunDir.open(run).rewind(2)
    assert (run / "metrics.jsonl").read_bytes() == b'{"step":1,"loss":1.10}\n{ "step": 2 }\n'


def test_an_endless_file_is_read_to_a_limit(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bookkeeping, "MAX_METRICS", 1 << 20)
    with (run / "metrics.jsonl").open("ab") as file:
        file.truncate(1 << 40)
    assert len(RunDir.open(run).read_metrics()) == 1


NESTED = b'{"x": ' + b"[" * 31 + b"]" * 31 + b"}"


@pytest.mark.parametrize(
    ("data", "read"),
    [
        (NESTED, True),
        (b'{"x": ' + NESTED + b"}", False),
        (b'{"x": "' + b"[{" * 99 + b'"}', True),
        (b'{"x": "' + b'\\"[' * 99 + b'"}', True),
        (b'{"x": "\\\\", "y": ' + NESTED + b"}", False),
        (b"{" + b", ".join(b'"%d": [[]]' % n for n in range(99)) + b"}", True),
        (DEEP * 100, False),
    ],
)
def test_depth_is_bounded_before_anything_is_parsed(
    data: bytes, read: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Near the limit of recursion what the garbage collector calls would fail as well."""
    parsed: list[str] = []
    loads = json.loads
    monkeypatch.setattr(json, "loads", lambda text: loads(parsed.append(text) or text))
    Path("x.json").write_bytes(data)
    found = bookkeeping.read_object(Path("x.json"))
    assert (found is not None) == read
    assert all(text.count("[") < 1000 for text in parsed)


@pytest.mark.parametrize(
    "facts",
    [
        {"step": 9, "name": "fd", "value": 1.0},  # there is no such checkpoint
        {"step": "2", "name": "fd", "value": 1.0},
        {"step": 2, "name": ["fd"], "value": 1.0},
        {"step": 2, "name": "fd", "value": "1"},
        {"step": 2, "name": "fd"},
    ],
)
def test_a_mark_of_another_kind_is_none(facts: dict[str, object], run: Path) -> None:
    folder = run / "checkpoints"
    mark_best(folder, Best(2, "fd", 1.0))
    assert read_best(folder) == Best(2, "fd", 1.0)
    (folder / "best.json").write_text(json.dumps(facts))
    assert read_best(folder) is None


NUMBER = {
    **{"name": "fd", "value": 1.0, "error": None, "floor": 0.5, "better": "lower"},
    **{"protocol": "fd@4f", "features": "", "data": "x", "split": "test", "seed": 0},
    **{"version": "0.1.0", "seconds": 1.0},
}


def test_an_evaluation_that_names_another_step_is_ignored(run: Path) -> None:
    folder = run / "eval"
    folder.mkdir()
    facts = {"step": 2, "model": "m", "seconds": 1.0, "numbers": [NUMBER]}
    (folder / "step-00000002.json").write_text(json.dumps(facts))
    (folder / "step-00000001.json").write_text(json.dumps(facts))
    assert list(store.read(folder)) == [2]
    RunDir.open(run).rewind(1)  # by its name, whatever is in it
    assert [path.name for path in folder.iterdir()] == ["step-00000001.json"]


@pytest.mark.parametrize("key", NUMBER)
@pytest.mark.parametrize("value", [None, [], {}, "x" * 2000, float("nan"), -1, True])
def test_numbers_of_other_types_are_left_out(key: str, value: object, run: Path) -> None:
    folder = run / "eval"
    folder.mkdir()
    facts = {"step": 2, "model": "m", "seconds": 1.0, "numbers": [NUMBER | {key: value}, NUMBER]}
    (folder / "step-00000002.json").write_text(json.dumps(facts))
    found = store.read(folder)[2].numbers
    assert found[-1].name == "fd"
    for number in found:
        assert isinstance(number.value, float | int)
        assert number.better in ("lower", "higher")
        assert number.error is None or abs(number.error) < 1e101
    assert store.table([store.read(folder)[2]])


def test_a_pipe_in_the_place_of_the_metrics_keeps_nobody_waiting(run: Path) -> None:
    folder = RunDir.open(run)
    folder.metrics_file.unlink()
    os.mkfifo(folder.metrics_file)
    with pytest.raises(OSError, match=r"'run/metrics\.jsonl'"):
        folder.append_metrics({"step": 2})


def test_a_full_disk_is_named_with_the_file(run: Path) -> None:
    folder = RunDir.open(run)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, before[1]))
    try:
        with pytest.raises(OSError, match=r"File too large: 'run/metrics\.jsonl'"):
            folder.append_metrics({"step": 2, "x" * 100: 1.0})
        with pytest.raises(OSError, match=r"File too large: 'run/checkpoints/best\.json'"):
            mark_best(folder.checkpoints, Best(2, "x" * 100, 1.0))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(folder.checkpoints.glob(".tmp*"))
