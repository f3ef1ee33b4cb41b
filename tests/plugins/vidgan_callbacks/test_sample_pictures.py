"""What sample pictures show of runs that make clips of clips."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from conftest import REGISTRY, Result
from PIL import Image
from vidgan_callbacks.sample_pictures import to_panels

import vidgan_core
from vidgan_core.inference.conditions import fixed
from vidgan_core.interfaces import DataSpec, Field
from vidgan_core.media.pixels import to_float

pytestmark = pytest.mark.usefixtures("one_thread")
RUN = (
    *("run", "--task", "superresolution", "--gen", "recurrent", "--data", "shapes", "--batch", 2),
    *("--device", "cpu", "--set", "generator.width=8", "--set", "discriminator.concat=true"),
    *("--set", "data.frames=3", "--set", "data.size=16", "--set", "callback.pictures.count=4"),
    *("--set", "data.clips=40", "--set", "data.workers=0"),
)


def pixels(*shape: int) -> torch.Tensor:
    return to_float(torch.randint(256, shape, dtype=torch.uint8))


def test_input_result_and_truth_are_next_to_one_another() -> None:
    spec = DataSpec(
        3, 4, 16, 16, (Field("low", "clip", (3, 4, 8, 8)), Field("old", "clip", (3, 2, 16, 16)))
    )
    low, made, truth = pixels(2, 3, 4, 8, 8), pixels(2, 3, 4, 16, 16), pixels(2, 3, 4, 16, 16)
    condition = {"low": low, "old": pixels(2, 3, 2, 16, 16), "video": truth}
    frames, panels = to_panels(spec, condition, made)
    assert panels == 3  # what is of another length, such as frames before the clip, is left out
    assert frames.shape == (2, 4, 16, 48, 3)
    given, result, wanted = np.split(frames, 3, axis=3)
    for shown, clip in ((given[:, :, ::2, ::2], low), (result, made), (wanted, truth)):
        assert np.array_equal(np.moveaxis(shown, -1, 1), ((clip + 1) * 127.5).round().numpy())
    assert np.array_equal(given[:, :, ::2, ::2], given[:, :, 1::2, 1::2])
    assert to_panels(spec, {"low": low, "old": condition["old"]}, made)[1] == 2
    plain, panels = to_panels(DataSpec(3, 4, 16, 16), {}, made)
    assert panels == 1
    assert np.array_equal(plain, result)


def test_pictures_of_a_task_are_of_held_out_clips(vidgan: Callable[..., Result]) -> None:
    assert (done := vidgan(*RUN, "--steps", 1, "--out", "out")).code == 0, done.err
    sheet = np.asarray(Image.open("out/samples/step-000001.png").convert("RGB"))
    sampler = vidgan_core.load("out", device="cpu")
    rows = fixed(sampler.config, REGISTRY, sampler.generator.spec, 4)
    assert rows
    assert rows.keys() == {"low", "video"}
    # A row a clip: two of its frames, each of three panels; all enlarged by whole pixels.
    factor = sheet.shape[0] // (4 * 16)
    assert sheet.shape == (4 * 16 * factor, 2 * 3 * 16 * factor, 3)
    small = sheet[::factor, ::factor]
    truth = ((rows["video"] + 1) * 127.5).round().numpy()
    for row in range(4):
        first, last = (small[16 * row : 16 * row + 16, at : at + 16] for at in (32, 80))
        assert np.array_equal(np.moveaxis(first, -1, 0), truth[row, :, 0])
        assert np.array_equal(np.moveaxis(last, -1, 0), truth[row, :, -1])
