"""Super-resolution, denoising and deblocking against Pillow, PyAV and closed forms."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any, cast

import av
import numpy as np
import pytest
from conftest import REGISTRY, Result
from numpy.typing import NDArray
from PIL import Image
from PIL.Image import Resampling

from vidgan_core.errors import ShapeError, UsageError
from vidgan_core.interfaces.dataset import DataSpec
from vidgan_core.interfaces.task import Task

Clip = NDArray[np.uint8]
FIELD = {"superresolution": "low", "denoise": "noisy", "deblock": "compressed"}
VARIANTS = [
    *(("superresolution", {"degradation": d, "scale": 4}) for d in ("bicubic", "blur", "real")),
    ("superresolution", {"degradation": "blur", "scale": 3}),
    ("denoise", {"sigma": 25.0}),
    ("denoise", {"blind": True}),
    ("deblock", {"codec": "jpeg"}),
    ("deblock", {"codec": "h264"}),
]


def task_of(name: str, options: dict[str, Any], **shape: int) -> Task:
    spec = DataSpec(**{"frames": 4, "height": 48, "width": 24, **shape})
    return cast(Task, REGISTRY.create("task", name, spec, options=options))


def smooth(shape: tuple[int, int, int, int] = (3, 4, 48, 24), seed: int = 0) -> Clip:
    """A clip (C, T, H, W) of waves that move."""
    channels, frames, height, width = shape
    rng = np.random.default_rng(seed)
    t, y, x = np.mgrid[:frames, :height, :width]
    waves = [
        np.sin(rng.uniform(-0.4, 0.4) * x + rng.uniform(-0.4, 0.4) * y + t + rng.uniform(0, 6))
        for _ in range(channels)
    ]
    return np.rint(128 + 90 * np.stack(waves)).astype(np.uint8)


def psnr(one: Clip, other: Clip) -> float:
    return float(10 * np.log10(255**2 / np.square(one.astype(float) - other).mean()))


@pytest.mark.parametrize(("name", "options"), VARIANTS)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pairs_of_clips_of_any_size(name: str, options: dict[str, Any], channels: int) -> None:
    """A whole video is degraded in pieces: what a pair is follows the clip and not the spec."""
    task = task_of(name, options, channels=channels)
    scale = options.get("scale", 1)
    for shape in ((channels, 4, 48, 24), (channels, 1, 12, 36), (channels, 3, 24, 12)):
        clip = smooth(shape)
        pair = task.pair({"video": clip, "class": 3}, key=5)
        assert pair["video"] is clip
        assert pair["class"] == 3
        small = pair[FIELD[name]]
        assert small.dtype == np.uint8
        assert small.shape == (*shape[:2], shape[2] // scale, shape[3] // scale)
        found = task.baselines(pair)
        assert found
        for frames in found.values():
            assert frames.shape == (*shape[1:], channels)
        given = task.condition(np.moveaxis(small, 0, -1))
        assert np.array_equal(given[FIELD[name]], small)
        if channels == 4 and scale == 1:
            assert np.array_equal(small[3], clip[3])


@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_the_key_decides_all_that_is_drawn(name: str, options: dict[str, Any]) -> None:
    task, clip = task_of(name, options), smooth()
    drawn = [task.pair({"video": clip}, key)[FIELD[name]] for key in range(8)]
    again = [task.pair({"video": clip}, key)[FIELD[name]] for key in range(8)]
    assert all(map(np.array_equal, drawn, again))
    different = {values.tobytes() for values in drawn}
    assert len(different) == (1 if options.get("degradation") in ("bicubic", "blur") else 8) or (
        name == "deblock" and len(different) > 4  # two keys may draw the same quality
    )


def test_bicubic_is_pillows() -> None:
    task, clip = task_of("superresolution", {"scale": 2}), smooth()
    low = task.pair({"video": clip}, 0)["low"]
    picture = Image.fromarray(np.moveaxis(clip[:, 1], 0, -1))
    small = picture.resize((12, 24), Resampling.BICUBIC)
    assert np.array_equal(np.moveaxis(low[:, 1], 0, -1), np.asarray(small))
    enlarged = {"bicubic": Resampling.BICUBIC, "lanczos": Resampling.LANCZOS}
    found = task.baselines({"low": low})
    assert found.keys() == enlarged.keys()
    for name, filter in enlarged.items():
        assert np.array_equal(found[name][1], np.asarray(small.resize((24, 48), filter)))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_blur_is_a_gaussian_around_the_middle_of_each_block(scale: int) -> None:
    """Frames are mirrored at their borders, without the border itself a second time."""
    clip = np.random.default_rng(0).integers(256, size=(1, 2, 60, 60), dtype=np.uint8)
    task = task_of("superresolution", {"degradation": "blur", "scale": scale, "blur": 1.3})
    low = task.pair({"video": clip}, 0)["low"]
    mirrored = np.pad(clip[0, 1], 12, "reflect")
    rows, columns = np.mgrid[-12:72, -12:72]
    for row, column in ((5, 7), (0, 6), (60 // scale - 1, 0)):
        y, x = (scale * place + (scale - 1) / 2 for place in (row, column))
        weights = np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * 1.3**2))
        expected = (mirrored * weights).sum() / weights.sum()
        assert abs(low[0, 1, row, column] - expected) < 1  # the tails beyond three sigma


def test_what_is_degraded_for_real_is_still_the_clip() -> None:
    clip = smooth((3, 4, 64, 64))
    task = task_of("superresolution", {"degradation": "real", "scale": 2})
    clean = task_of("superresolution", {"scale": 2}).pair({"video": clip}, 0)["low"]
    found = [psnr(task.pair({"video": clip}, key)["low"], clean) for key in range(20)]
    assert 10 < min(found) < max(found) < 40
    assert max(found) - min(found) > 5  # some are worse than others


def test_pieces_under_one_key_are_degraded_alike() -> None:
    """The mean of what a flat piece becomes tells of no other draw than that of its noise."""
    flat = np.full((3, 6, 48, 48), 100, np.uint8)
    task = task_of("superresolution", {"degradation": "real", "scale": 2})
    for key in range(4):
        one = task.pair({"video": flat}, key)["low"]
        two = task.pair({"video": flat[:, :3, :24]}, key)["low"]
        assert abs(float(one.std()) - float(two.std())) < 0.35 * float(one.std()) + 0.5


@pytest.mark.parametrize("sigma", [5.0, 25.0])
def test_noise_has_the_deviation_that_is_told(sigma: float) -> None:
    grey = np.full((3, 4, 64, 64), 128, np.uint8)
    task = task_of("denoise", {"sigma": sigma})
    pair = task.pair({"video": grey}, 0)
    noise = pair["noisy"].astype(float) - grey
    assert noise.std() == pytest.approx(np.hypot(sigma, 12**-0.5), rel=0.02)  # and of rounding
    assert abs(noise.mean()) < 4 * sigma / noise.size**0.5
    assert pair["sigma"].dtype == np.float32
    assert pair["sigma"] == pytest.approx([sigma / 255])
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.03


def test_the_level_of_noise_is_drawn_told_or_hidden() -> None:
    task = task_of("denoise", {"sigma": [10.0, 30.0]})
    told = [255 * float(task.pair({"video": smooth()}, key)["sigma"][0]) for key in range(50)]
    assert 10 <= min(told) < 13
    assert 27 < max(told) <= 30
    frames = np.zeros((2, 8, 8, 3), np.uint8)
    assert task.condition(frames)["sigma"] == pytest.approx([20 / 255])
    known = task_of("denoise", {"sigma": [10.0, 30.0], "level": 12.0})
    assert known.condition(frames)["sigma"] == pytest.approx([12 / 255])
    blind = task_of("denoise", {"blind": True})
    assert [field.name for field in blind.fields] == ["noisy"]
    assert blind.condition(frames).keys() == {"noisy"}
    assert blind.pair({"video": smooth()}, 0).keys() == {"video", "noisy"}


def test_filters_by_hand() -> None:
    clip = np.zeros((1, 3, 24, 24), np.uint8)
    clip[0, :, 12, 12] = (30, 90, 240)
    found = task_of("denoise", {"sigma": 5.0}, channels=1).baselines({"noisy": clip})
    assert found["temporal-mean"][:, 12, 12, 0].tolist() == [50, 120, 190]
    assert found["temporal-median"][:, 12, 12, 0].tolist() == [30, 90, 240]
    bell = np.exp(-(np.arange(-3, 4) ** 2) / (2 * 0.9**2))
    bell /= bell.sum()
    expected = np.rint(240 * np.outer(bell, bell))
    assert np.array_equal(found["gaussian"][2, 9:16, 9:16, 0], expected)
    both = np.rint(190 * np.outer(bell, bell))
    assert np.abs(found["gaussian-mean"][2, 9:16, 9:16, 0] - both).max() <= 1


@pytest.mark.parametrize("quality", [10, 60])
def test_jpeg_is_pillows(quality: int) -> None:
    clip = smooth()
    task = task_of("deblock", {"codec": "jpeg", "quality": quality})
    compressed = task.pair({"video": clip}, 0)["compressed"]
    stream = io.BytesIO()
    Image.fromarray(np.moveaxis(clip[:, 2], 0, -1)).save(stream, "JPEG", quality=quality)
    assert np.array_equal(np.moveaxis(compressed[:, 2], 0, -1), np.asarray(Image.open(stream)))
    (baseline,) = task.baselines({"compressed": compressed}).values()
    assert np.array_equal(np.moveaxis(baseline, -1, 0), compressed)


def test_h264_is_what_a_file_would_hold() -> None:
    clip = smooth((3, 12, 48, 24))
    compressed = task_of("deblock", {"codec": "h264", "crf": 33}).pair({"video": clip}, 0)
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(25))
        stream.height, stream.width, stream.pix_fmt = 48, 24, "yuv420p"
        stream.options = {"crf": "33", "preset": "veryfast", "threads": "1"}
        for picture in np.moveaxis(clip, 0, -1):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))
    file.seek(0)
    with av.open(file) as container:
        frames = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    assert np.array_equal(np.moveaxis(np.stack(frames), -1, 0), compressed["compressed"])


def test_more_compression_is_worse() -> None:
    clip = smooth((3, 8, 48, 48))
    by_crf = [
        psnr(task_of("deblock", {"codec": "h264", "crf": crf}).pair({"video": clip}, 0)[
            "compressed"], clip)
        for crf in (20, 32, 44)
    ]  # fmt: skip
    assert by_crf == sorted(by_crf, reverse=True)
    assert by_crf[0] - by_crf[-1] > 3


def test_both_codecs_are_drawn() -> None:
    clip, fixed = smooth(), {"quality": 10, "crf": 40}
    one = {
        codec: task_of("deblock", {"codec": codec, **fixed}).pair({"video": clip}, 0)["compressed"]
        for codec in ("jpeg", "h264")
    }
    task = task_of("deblock", fixed)
    drawn = [task.pair({"video": clip}, key)["compressed"] for key in range(40)]
    jpegs = sum(np.array_equal(d, one["jpeg"]) for d in drawn)
    assert jpegs + sum(np.array_equal(d, one["h264"]) for d in drawn) == 40
    assert 10 < jpegs < 30


def test_sizes_and_options_that_cannot_be(vidgan: Any) -> None:
    with pytest.raises(
        ShapeError, match=r"frames of 48x22: height and width must be multiples of task.scale, 4"
    ):
        task_of("superresolution", {}, width=22)
    with pytest.raises(ShapeError, match="must be multiples"):
        task_of("superresolution", {}).pair({"video": smooth((3, 2, 8, 10))}, 0)
    with pytest.raises(UsageError, match=r"task.crf: the first of two values must be the smaller"):
        task_of("deblock", {"crf": [30, 20]})
    size = ("--set", "data.size=30", "--data", "shapes")
    result: Result = vidgan("run", "--task", "superresolution", *size)
    assert result.code == 2
    assert result.err.startswith("error: task 'superresolution' can't do frames of 30x30: height")
    assert result.err.count("\n") == 1
