"""Which stream, when, in which colours: what video files say is honoured.

Against ffmpeg's filters, formulas, and a plain file that holds the same pictures.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from charts import chart, filtered, largest_difference, save_picture, save_video, shown
from clips import counting, folder, moving_block, numbers, save

from vidgan_core.interfaces import DataSpec
from vidgan_core.media.describe import describe
from vidgan_core.media.timestamps import Resampled, Times

SAMPLES = Path(__file__).parent / "samples"
TOLERANCE = 3


def clip(path: Path | str, frames: int = 8, size: tuple[int, int] = (120, 160), **o: object) -> Any:
    """The first clip of a path, (T, H, W, C)."""
    dataset = folder(path, spec=DataSpec(3, frames, *size), **o)
    return dataset.item(0)["video"].transpose(1, 2, 3, 0)


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [("latin1-title.mp4", 0), ("mirrored.mp4", 0), ("preview-stream-first.mkv", 12)],
)
def test_samples_show_what_the_plain_one_shows(name: str, tolerance: int) -> None:
    plain = clip(SAMPLES / "plain.mp4")
    if name == "mirrored.mp4":
        plain = plain[:, :, ::-1]
    found = clip(SAMPLES / name)
    assert largest_difference(found, plain) <= tolerance
    assert np.abs(found.astype(int) - plain).mean() < 0.5
    facts = describe(SAMPLES / name)
    assert (facts["height"], facts["width"], facts["fps"]) == (240, 320, pytest.approx(24, abs=0.1))


def test_the_sample_with_tall_pixels_shows_circles() -> None:
    plain, found = clip(SAMPLES / "plain.mp4"), clip(SAMPLES / "sample-aspect-2-1.mp4")
    assert np.abs(found.astype(int) - plain).mean() < 1.5
    assert folder(SAMPLES / "sample-aspect-2-1.mp4").check()[0]["width"] == 320


def _cover(container: Any) -> Any:
    stream = container.add_stream("mjpeg", rate=1)
    stream.height = stream.width = 640
    stream.pix_fmt = "yuvj420p"
    return stream


@pytest.mark.parametrize("first", ["video", "preview"])
@pytest.mark.parametrize("suffix", ["mkv", "mp4", "mov"])
def test_the_largest_stream_is_the_video_wherever_it_stands(suffix: str, first: str) -> None:
    Path("clips").mkdir()
    large, small = np.full((48, 64, 3), 200, np.uint8), np.full((16, 16, 3), 20, np.uint8)
    order = [large, small] if first == "video" else [small, large]
    with av.open(f"clips/a.{suffix}", "w") as container:
        streams = []
        for picture in order:
            stream = container.add_stream("libx264", rate=12)
            stream.height, stream.width = picture.shape[:2]
            stream.pix_fmt = "yuv420p"
            streams.append(stream)
        for stream, picture in zip(streams, order, strict=True):
            for _ in range(6 if picture is large else 2):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    record = folder("clips").check()[0]
    assert (record["frames"], record["height"], record["width"]) == (6, 48, 64)
    assert largest_difference(shown("clips"), np.full((48, 64, 3), 200)) <= TOLERANCE


def test_a_cover_is_no_video() -> None:
    Path("clips").mkdir()
    Path("cover").mkdir()
    save_picture("cover/a.png", chart(300, 300))
    with av.open("clips/a.m4a", "w", format="mp4") as container:
        sound = container.add_stream("aac", rate=44100)
        cover = container.add_stream("png", rate=1)
        cover.height = cover.width = 300
        cover.pix_fmt = "rgb24"
        cover.disposition = av.stream.Disposition.attached_pic
        frame = av.VideoFrame.from_ndarray(chart(300, 300), format="rgb24")
        packets = [*cover.encode(frame), *cover.encode(None)]
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 10240), np.float32), "fltp", "mono")
        silence.sample_rate = 44100
        packets += [*sound.encode(silence), *sound.encode(None)]
        container.mux(packets)
    record = folder("clips").check()[0]
    assert (record["status"], record["reason"]) == (
        "other",
        "no video in it, only sound and a cover",
    )


def test_without_presentation_times_the_stated_rate_counts() -> None:
    dataset = folder(SAMPLES / "h264-no-pts.avi", fps=12.0, spec=DataSpec(3, 4, 120, 160))
    assert len(dataset) == 24 - 3
    assert "1 without presentation times" in dataset.summary()
    expected = filtered(SAMPLES / "h264-no-pts.avi", ("scale", "160:120:flags=bilinear"))
    for index in (0, 7, 20):
        found = dataset.item(index)["video"].transpose(1, 2, 3, 0)
        for k in range(4):
            assert largest_difference(found[k], expected[2 * (index + k)]) <= TOLERANCE


@pytest.mark.parametrize("suffix", ["h264", "mjpeg"])
def test_raw_streams_are_read_whole(suffix: str) -> None:
    codec = {"h264": "libx264", "mjpeg": "mjpeg"}[suffix]
    pixels = "yuvj420p" if suffix == "mjpeg" else "yuv420p"
    save(f"clips/a.{suffix}", counting(20), codec=codec, pixels=pixels)
    dataset = folder("clips", spec=DataSpec(3, 20, 32, 32))
    assert numbers(dataset.item(0)["video"]) == list(range(20))
    at_rate = folder("clips", fps=5.0, spec=DataSpec(3, 2, 32, 32))
    assert len(at_rate) < 20


def test_a_gap_of_hours_costs_nothing_and_no_clip_reaches_over_it() -> None:
    ticks = [*range(0, 400, 40), *range(10**9, 10**9 + 400, 40)]
    save("clips/a.mkv", counting(20), ticks=ticks, codec="ffv1", pixels="bgr0")
    for fps, count in ((0.0, 7 + 7), (25.0, 7 + 7), (50.0, 17 + 17)):
        dataset = folder("clips", fps=fps, spec=DataSpec(3, 4, 32, 32))
        assert len(dataset) == count
        for index in range(len(dataset)):
            found = numbers(dataset.item(index)["video"])
            assert {n // 10 for n in found} in ({0}, {1})
    assert "1 with gaps" in dataset.summary()


def test_resampling_needs_no_memory_for_what_is_not_asked() -> None:
    times = Times.of([0, 10**12], Fraction(1, 1000))
    assert times
    long = Resampled(np.array([0.0, 1e12]), 1000.0)
    assert len(long) == 2 * 10**15
    assert long.frames(np.array([0, 10**15])).tolist() == [0, 1]
    assert Resampled(times.seconds(), 1000.0).frames(np.array([5])).tolist() == [0]


@pytest.mark.parametrize("source", [[3, 1, 2], [None, 1, 2], [1, 1, 2], []])
def test_times_that_do_not_increase_are_none(source: list[int | None]) -> None:
    assert Times.of(source, Fraction(1, 25)) is None


def test_interlaced_video_is_deinterlaced_the_same_from_every_start() -> None:
    sample = SAMPLES / "interlaced.mpg"
    bwdif = ("bwdif", "mode=send_frame:parity=auto:deint=interlaced")
    expected, combed = filtered(sample, bwdif), filtered(sample)
    for cache_gb in (0.0, 1.0):
        dataset = folder(sample, cache_gb=cache_gb, spec=DataSpec(3, 2, 240, 320))
        assert "1 deinterlaced" in dataset.summary()
        for index in range(len(dataset)):
            found = dataset.item(index)["video"].transpose(1, 2, 3, 0)
            for k in range(2):
                assert largest_difference(found[k], expected[index + k]) <= TOLERANCE
    assert max(map(largest_difference, expected, combed)) > 60, "the sample does show combs"


def test_deinterlacing_after_a_seek_has_the_frame_before_it_too() -> None:
    fields = moving_block(60, 48, 64)
    combed = fields[::2].copy()
    combed[:, 1::2] = fields[1::2, 1::2]
    options = {"x264-params": "tff=1:keyint=6:min-keyint=6:scenecut=0:mbtree=0"}
    save("clips/a.mp4", combed, flags="+ilme+ildct", **options)
    bwdif = ("bwdif", "mode=send_frame:parity=auto:deint=interlaced")
    expected = filtered("clips/a.mp4", bwdif)
    dataset = folder("clips", cache_gb=0.0, cuts="keep", spec=DataSpec(3, 1, 48, 64))
    assert len(dataset) == 30
    for index in range(30):
        found = dataset.item(index)["video"][:, 0].transpose(1, 2, 0)
        assert largest_difference(found, expected[index]) <= TOLERANCE, index


PQ, HLG, BT2020, BT2020_NCL = 16, 18, 9, 9
CURVE_TOLERANCE = 6


def reference_sdr(light: float) -> float:
    """ITU-R BT.2390-10, 5.4.1 step by step for grey of this light in cd/m2, 1000 to 100 cd/m2."""

    def pq(y: float) -> float:
        m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
        p = (y / 10000) ** m1
        return ((c1 + c2 * p) / (1 + c3 * p)) ** m2

    def inverse(e: float) -> float:
        m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
        p = e ** (1 / m2)
        return 10000 * (max(p - c1, 0) / (c2 - c3 * p)) ** (1 / m1)

    e1, largest = min(pq(light) / pq(1000), 1), pq(100) / pq(1000)
    knee = 1.5 * largest - 0.5
    e2 = e1
    if e1 >= knee:
        t = (e1 - knee) / (1 - knee)
        e2 = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee)
        e2 += (-2 * t**3 + 3 * t**2) * largest
    return float(255 * (inverse(e2 * pq(1000)) / 100) ** (1 / 2.4))


# Published pairs of code (of full range) and light: BT.2408 tables 1 and 2, BT.2100
PQ_LEVELS = {0.58: 203.0, 0.5081: 100.0, 0.7518: 1000.0, 0.38: 26.0, 0.30: 10.0, 0.15: 1.0}
HLG_LEVELS = {0.75: 203.0, 1.0: 1000.0, 0.38: 26.0, 0.22: 6.8}


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_hdr_follows_the_published_curve(transfer: int) -> None:
    levels = PQ_LEVELS if transfer == PQ else HLG_LEVELS
    for code, light in levels.items():
        grey = np.full((48, 64, 3), round(code * 65535), np.uint16)
        tags = {"color_trc": transfer, "color_primaries": BT2020, "colorspace": BT2020_NCL}
        name = f"clips/{transfer}-{code}"
        save_video(f"{name}/a.mkv", [grey] * 2, "rgb48le", pixels="yuv444p10le", tags=tags)
        found = shown(name)
        assert np.ptp(found) <= 2
        assert abs(found.mean() - reference_sdr(light)) <= CURVE_TOLERANCE, (code, light)
    summary = folder("clips", spec=DataSpec(3, 1, 48, 64)).summary()
    assert f"{len(levels)} turned from HDR to SDR" in summary


def test_hdr_colours_are_those_of_bt709() -> None:
    """A red that BT.709 can show, coded in BT.2020, comes back as that red."""
    to_2020 = np.array(
        [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.088, 0.8956]]
    )
    wanted = np.array([150.0, 60.0, 40.0])
    light = to_2020 @ (100 * (wanted / 255) ** 2.4)
    p = (light / 10000) ** 0.1593017578125
    code = ((0.8359375 + 18.8515625 * p) / (1 + 18.6875 * p)) ** 78.84375
    pixels = np.broadcast_to(np.rint(code * 65535).astype(np.uint16), (48, 64, 3))
    tags = {"color_trc": PQ, "color_primaries": BT2020, "colorspace": BT2020_NCL}
    save_video("clips/a.mkv", [pixels] * 2, "rgb48le", pixels="yuv444p10le", tags=tags)
    assert largest_difference(shown("clips").mean((0, 1)), wanted) <= CURVE_TOLERANCE


def test_the_hdr_sample_is_no_longer_washed_out() -> None:
    found, plain = clip(SAMPLES / "hdr-pq.mp4"), clip(SAMPLES / "plain.mp4")
    raw = filtered(SAMPLES / "hdr-pq.mp4", ("scale", "160:120:flags=bilinear"))
    assert np.ptp(raw[0]) < 150 < 200 < np.ptp(found[0])
    assert np.abs(found.astype(int) - plain).mean() < 16


def test_full_range_video_is_read_as_such() -> None:
    save_video(
        "clips/a.mkv", [chart()] * 2, codec="ffv1", pixels="yuv444p", tags={"color_range": 2}
    )
    expected = filtered("clips/a.mkv", ("scale", "64:48"))[0]
    assert largest_difference(shown("clips"), expected) <= TOLERANCE


def test_a_cut_ends_a_scene_and_motion_does_not() -> None:
    scenes = [moving_block(12, 32, 32, seed=1) // 3, 255 - moving_block(9, 32, 32, seed=5) // 3]
    save("clips/a.mkv", np.concatenate(scenes), codec="ffv1", pixels="bgr0")
    record = folder("clips").check()[0]
    assert list(record["cuts"]) == [12]
    assert len(folder("clips")) == 9 + 6
    assert len(folder("clips", cuts="keep")) == 18
    starts = [folder("clips").span(i)[1] for i in range(15)]
    assert starts == [*range(9), *range(12, 18)]
    assert list(folder(SAMPLES / "plain.mp4").check()[0]["cuts"]) == []
