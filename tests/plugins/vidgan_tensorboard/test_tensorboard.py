"""TensorBoard's files, read back with TensorBoard."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import TINY, Result
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

Command = Callable[..., Result]
RUN = (*TINY, "--set", "trainer.report_every=1", "--out", "out")
LOGGED = (*RUN, "--callback", "tensorboard", "--set", "callback.tensorboard.every=2")


def logged() -> EventAccumulator:
    """Everything that the run has logged."""
    events = EventAccumulator(
        "out/tensorboard", size_guidance={"scalars": 0, "images": 0, "histograms": 0}
    )
    return events.Reload()


def test_nothing_is_written_or_imported_unless_asked_for(
    vidgan: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "vidgan_tensorboard.log", raising=False)
    assert vidgan("run", *RUN, "--steps", 1).code == 0
    assert not Path("out/tensorboard").exists()
    assert "vidgan_tensorboard.log" not in sys.modules


def test_scalars_and_frame_strips(vidgan: Command) -> None:
    assert vidgan("run", *LOGGED, "--set", "callback.tensorboard.count=2", "--steps", 3).code == 0
    events = logged()
    lines = [json.loads(line) for line in Path("out/metrics.jsonl").read_text().splitlines()]
    for name in ("discriminator/loss", "generator/loss", "clips_per_second"):
        written = [(event.step, event.value) for event in events.Scalars(name)]
        assert written == [(line["step"], pytest.approx(line[name])) for line in lines]
    strips = events.Images("samples")
    assert [strip.step for strip in strips] == [2, 3]
    assert strips[0].width == 2 * strips[0].height  # 2 clips of 4 square frames
    assert events.Tags()["histograms"] == []


def test_histograms_on_request_and_a_resumed_run(vidgan: Command) -> None:
    what = 'callback.tensorboard.log=["scalars", "histograms"]'
    assert vidgan("run", *LOGGED, "--set", what, "--steps", 2).code == 0
    assert vidgan("run", "--resume", "out", "--steps", 4).code == 0
    events = logged()
    assert [event.step for event in events.Scalars("generator/loss")] == [1, 2, 3, 4]
    assert events.Tags()["images"] == []
    histograms = events.Tags()["histograms"]
    assert {name.partition("/")[0] for name in histograms} == {"generator", "discriminator"}
    assert [event.step for event in events.Histograms(histograms[0])] == [2, 4]


def test_what_can_not_be_logged_is_a_usage_error(vidgan: Command) -> None:
    what = 'callback.tensorboard.log=["scalar"]'
    result = vidgan("run", *LOGGED, "--set", what, "--steps", 1)
    assert result.code == 2
    assert "callback.tensorboard.log: must be 'scalars', 'samples' or 'histograms'" in result.err


def test_a_missing_extra_is_named_with_its_remedy(
    vidgan: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(sys.modules):
        if name.startswith(("tensorboard", "torch.utils.tensorboard", "vidgan_tensorboard.log")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    result = vidgan("run", *LOGGED, "--steps", 1)
    assert result.code == 3
    assert "pip install 'vidgan[tensorboard]'" in result.err
    assert "Traceback" not in result.err
