"""A process that reads videos and was taken over by one: whatever it writes, it harms nobody."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from clips import moving_block, save
from conftest import Command
from vidgan_datasets import probe

# Answers a job with what a file holds, as often as that says.
WORKER = """
import pathlib, sys
times, text = {times}, pathlib.Path("answer").read_bytes()
for line in sys.stdin:
    try:
        for _ in range(times):
            sys.stdout.buffer.write(text)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        sys.exit()
"""
GOOD = {
    **{"status": "ok", "reason": "", "sha256": "0" * 64, "frames": 8, "height": 16, "width": 16},
    **{"rate": 8.0, "times": "pts 1/8 0 1*7", "gaps": [], "cuts": [4], "interlaced": False},
}
ANSWERS = {
    "a word": "3",
    "a list": "[]",
    "nothing": "",
    "no JSON": "{",
    "no text": b"\xff\n",
    "deep nesting": "[" * 100_000,
    "deep objects": '{"read":' * 100_000,
    "another key": {**GOOD, "name": "x"},
    "no status": {"reason": ""},
    "another status": {**GOOD, "status": "fine"},
    "a status that is a list": {**GOOD, "status": ["ok"]},
    "no frames": {**GOOD, "frames": 0, "cuts": []},
    "too many frames": {**GOOD, "frames": 10**7, "times": ""},
    "frames that are a word": {**GOOD, "frames": "8"},
    "times of a terabyte": {**GOOD, "times": f"pts 1/8 0 1*{10**12}"},
    "times of other frames": {**GOOD, "times": "pts 1/8 0 1*9"},
    "times beyond 64 bits": {**GOOD, "times": f"pts 1/8 0 {2**62}*7"},
    "times by zero": {**GOOD, "times": "pts 1/0 0 1*7"},
    "times that stand still": {**GOOD, "times": "pts 1/8 0 0*7"},
    "times of another kind": {**GOOD, "times": "eval 1/8 0 1*7"},
    "a cut before the start": {**GOOD, "cuts": [0]},
    "a cut after the end": {**GOOD, "cuts": [8]},
    "gaps in disorder": {**GOOD, "gaps": [3, 2]},
    "a gap that is true": {**GOOD, "gaps": [True]},
    "an endless rate": json.dumps(GOOD).replace("8.0", "Infinity"),
    "frames of a terabyte": {**GOOD, "height": 2**20, "width": 2**20},
    "a hash that is a path": {**GOOD, "sha256": "../" * 20 + "abcd"},
    "a depth of nothing": {**GOOD, "depth": 0},
    "a picture of another video": {**GOOD, "left_out": [["../x", "ok", ""]]},
    "less than nothing was read": {"read": -1},
    "more was read than there is": {"read": 10**7},
    "a list was read": {"read": [1]},
}


@pytest.fixture
def taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    save("clips/a.mp4", moving_block(8, 16, 16))
    worker(monkeypatch, 1)


def worker(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    Path("worker.py").write_text(WORKER.format(times=times))
    monkeypatch.setattr(probe, "PROGRAM", (sys.executable, "-S", "worker.py"))
    monkeypatch.setattr(probe, "DYING", 0.01)


def checked(vidgan: Command, answer: object) -> dict[str, str]:
    text = answer if isinstance(answer, str | bytes) else json.dumps(answer)
    Path("answer").write_bytes(text if isinstance(text, bytes) else text.encode() + b"\n")
    result = vidgan("data", "check", "./clips", "--again", "--json")
    assert "Traceback" not in result.err
    (record,) = json.loads(result.out)
    return dict(record)


def test_a_good_answer_is_taken(taken_over: None, vidgan: Command) -> None:
    assert checked(vidgan, GOOD)["status"] == "ok"
    assert checked(vidgan, {"status": "other", "reason": "x" * 2000})["reason"] == "x" * 1000


@pytest.mark.parametrize("case", ANSWERS)
def test_what_is_no_answer_is_a_damaged_file(
    case: str,
    taken_over: None,
    vidgan: Command,
    record_property: Callable[[str, object], None],
) -> None:
    record = checked(vidgan, ANSWERS[case])
    assert record["status"] == "damaged"
    assert "reader" in record["reason"]
    assert "SIGKILL" not in record["reason"]
    record_property("hostile answer", f"{case}: refused")


@pytest.mark.parametrize("text", [b"x" * 2**20, b'{"read": 1}\n'])
def test_an_answer_without_end_is_given_up(
    text: bytes, taken_over: None, vidgan: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker(monkeypatch, 10**9)
    assert checked(vidgan, text)["status"] == "damaged"
