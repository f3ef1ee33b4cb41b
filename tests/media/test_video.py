"""Frames to files and back, and the mark on generated media."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image
from vidgan_callbacks.curves import curves

from vidgan_core.errors import UsageError, VidganError
from vidgan_core.media.describe import describe, read_mark
from vidgan_core.media.frames import Frames
from vidgan_core.media.pictures import contact_sheet, grid, to_frames
from vidgan_core.media.pixels import to_float, to_uint8
from vidgan_core.media.provenance import make_mark
from vidgan_core.media.video_source import read_video
from vidgan_core.media.write import write_mp4, write_png, writer

MARK = make_mark("abc123", 4)


def moving_square(frames: int = 10, height: int = 32, width: int = 48) -> Frames:
    video = np.full((frames, height, width, 3), (20, 60, 120), np.uint8)
    for t in range(frames):
        video[t, 8:24, 2 * t : 2 * t + 16] = (220, 200, 40)
    return video


@pytest.mark.parametrize("size", [(32, 48), (33, 47)], ids=["even", "odd"])
@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_a_video_reads_back_as_it_was_written(suffix: str, size: tuple[int, int]) -> None:
    video = moving_square(10, *size)
    path = Path(f"video{suffix}")
    writer(path)(path, video, fps=12.5, mark=MARK)
    facts = describe(path)
    assert facts["frames"] == 10
    assert facts["fps"] == pytest.approx(12.5)
    assert read_mark(path) == MARK
    with av.open(str(path)) as container:
        read = np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])
    assert read.shape[0] == 10
    read = read[:, : size[0], : size[1]].astype(int)
    assert np.abs(read - video).mean() < 6
    assert np.abs(read[0] - read[9]).mean() > 10, "the square moves"


def test_an_mp4_is_what_browsers_play() -> None:
    write_mp4(Path("a.mp4"), moving_square(), fps=25, mark=MARK)
    with av.open("a.mp4") as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")


def test_a_picture_is_marked_and_an_unmarked_one_is_told_apart() -> None:
    write_png(Path("a.png"), moving_square()[0], mark=MARK)
    assert read_mark(Path("a.png")) == MARK
    assert np.array_equal(np.asarray(Image.open("a.png")), moving_square()[0])
    Image.new("RGB", (4, 4)).save("plain.png")
    assert read_mark(Path("plain.png")) is None
    Image.new("RGB", (4, 4)).save("other.gif", comment=b'{"made": "by hand"}')
    assert read_mark(Path("other.gif")) is None


def test_read_video_scales_to_cover_and_crops_the_centre() -> None:
    video = np.zeros((3, 40, 80, 3), np.uint8)
    video[:, :, :20], video[:, :, 60:] = (255, 0, 0), (0, 0, 255)  # cropped away
    video[:, :, 20:60] = (0, 200, 0)
    write_mp4(Path("a.mp4"), video, fps=25, mark={})
    frames = read_video(Path("a.mp4"), 16, 16)
    assert frames.shape == (3, 16, 16, 3)
    assert np.abs(frames[:, :, 2:14].astype(int) - (0, 200, 0)).mean() < 8
    assert read_video(Path("a.mp4"), 20, 10).shape == (3, 20, 10, 3)


def test_what_is_no_video_is_refused_by_name() -> None:
    Path("text.mp4").write_text("no video at all")
    with pytest.raises(VidganError, match=r"text\.mp4"):
        read_video(Path("text.mp4"), 8, 8)
    with pytest.raises(VidganError, match=r"none\.mp4"):
        read_video(Path("none.mp4"), 8, 8)
    with pytest.raises(UsageError, match=r"can't write '\.wmv'"):
        writer(Path("a.wmv"))


def test_pixels_survive_the_way_to_floats_and_back() -> None:
    pixels = torch.arange(256, dtype=torch.uint8)
    floats = to_float(pixels)
    assert floats.min() == -1
    assert floats.max() == 1
    assert torch.equal(to_uint8(floats), pixels)
    assert to_uint8(torch.tensor([-3.0, 3.0])).tolist() == [0, 255]


def test_a_grid_holds_every_clip_in_its_place() -> None:
    clips = torch.linspace(-1, 1, 5)[:, None, None, None, None].expand(5, 3, 2, 8, 8)
    video = grid(to_frames(clips), longest=8)
    assert video.shape == (2, 16, 24, 3)
    corners = [video[0, 8 * (i // 3), 8 * (i % 3), 0] for i in range(6)]
    assert corners == [0, 64, 128, 191, 255, 0]
    assert grid(to_frames(clips), longest=50).shape == (2, 32, 48, 3)


def test_a_contact_sheet_shows_first_to_last_frame_of_each_clip() -> None:
    times = torch.linspace(-1, 1, 15)[None, None, :, None, None].expand(2, 3, 15, 4, 4)
    sheet = contact_sheet(to_frames(times), columns=3, longest=12)
    assert sheet.shape == (8, 12, 3)
    assert [int(sheet[0, 4 * c, 0]) for c in range(3)] == [0, 127, 255]


def test_curves_draw_each_series_and_live_with_gaps() -> None:
    line = [(float(x), float(x * x)) for x in range(50)]
    empty = curves({"loss": {"a": []}})
    one = curves({"loss": {"a": line}})
    assert one.shape == empty.shape
    assert (one != empty).any()
    two = curves({"loss": {"a": line, "b": [(0, float("nan")), (25, 0.0), (49, 2401.0)]}, "D": {}})
    assert two.shape[0] == 2 * one.shape[0]


def test_gray_clips_become_coloured_files() -> None:
    assert to_frames(torch.zeros(1, 1, 2, 4, 4)).shape == (1, 2, 4, 4, 3)
