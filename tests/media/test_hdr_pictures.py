"""AVIF pictures with the transfer functions of HDR follow the published curve, as video does."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from clips import folder
from test_honoured_video import (
    BT2020,
    BT2020_NCL,
    CURVE_TOLERANCE,
    HLG,
    HLG_LEVELS,
    PQ,
    PQ_LEVELS,
    reference_sdr,
)

from vidgan_core.interfaces import DataSpec

BT709 = 1
LIMITED = 1  # as av numbers it


def save_avif(path: Path, code: float, transfer: int, size: int = 64) -> None:
    """Write a grey picture of 10 bits whose values are a fraction `code` of their range."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = VideoFrame(size, size, "yuv420p10le")
    for plane, level in zip(frame.planes, (64 + code * 876, 512, 512), strict=True):
        row = np.full(plane.line_size // 2, round(level), np.uint16)
        plane.update(np.tile(row, plane.height).tobytes())
    with av.open(str(path), "w", format="avif") as container:
        options = {"crf": "5", "preset": "10"}
        stream = container.add_stream("libsvtav1", rate=1, options=options)
        stream.height = stream.width = size
        stream.pix_fmt = "yuv420p10le"
        for holder in (stream.codec_context, frame):
            holder.color_trc = transfer
            holder.color_primaries, holder.colorspace = BT2020, BT2020_NCL
            holder.color_range = LIMITED
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize(("transfer", "levels"), [(PQ, PQ_LEVELS), (HLG, HLG_LEVELS)])
def test_hdr_pictures_follow_the_published_curve(transfer: int, levels: dict[float, float]) -> None:
    for code, light in levels.items():
        for number in range(4):
            save_avif(Path(f"clips/{code}/{number}.avif"), code, transfer)
        dataset = folder(f"clips/{code}")
        assert abs(dataset.item(0)["video"].mean() - reference_sdr(light)) <= CURVE_TOLERANCE
        assert "1 turned from HDR to SDR" in dataset.summary()


def test_other_avif_pictures_stay_as_they_are() -> None:
    for number in range(4):
        save_avif(Path(f"clips/{number}.avif"), 0.5, BT709)
    dataset = folder(spec=DataSpec(3, 4, 64, 64))
    assert abs(dataset.item(0)["video"].mean() - 127.5) <= 3
    assert "HDR" not in dataset.summary()
