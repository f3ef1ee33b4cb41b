"""Clips through JPEG and H.264 in memory: the same pixels each time.

H.264 is encoded by one thread: how x264 divides its work among threads changes the bytes.
"""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from PIL import Image

from vidgan_core.media.frames import Frames, Picture
from vidgan_tasks.pixels import Clip, to_clip, to_frames

X264 = {"preset": "veryfast", "threads": "1"}


def jpeg(clip: Clip, quality: int) -> Clip:
    """Return a clip (C, T, H, W) whose frames were JPEG pictures of a quality of 1 to 95.

    Colours are stored at half the resolution, as usual. An alpha channel is left as it is.
    """
    colours, alpha = clip[:3], clip[3:]
    frames = to_frames(colours)
    coded = np.stack(
        [_jpeg(frame[..., 0] if len(clip) == 1 else frame, quality) for frame in frames]
    )
    return np.concatenate([to_clip(coded.reshape(frames.shape)), alpha])


def _jpeg(picture: Picture, quality: int) -> Picture:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


def h264(clip: Clip, crf: int) -> Clip:
    """Return a clip (C, T, H, W) that was an H.264 video of a constant rate factor, 0 to 51.

    Frames are lengthened to even sizes for the encoder (4:2:0). An alpha channel is left as it is.
    """
    colours, alpha = clip[:3], clip[3:]
    height, width = clip.shape[-2:]
    margins = ((0, 0), (0, 0), (0, height % 2), (0, width % 2))
    coded = _h264(to_frames(np.pad(colours, margins, "edge")), crf)
    return np.concatenate([to_clip(coded[:, :height, :width]), alpha])


def _h264(frames: Frames, crf: int) -> Frames:
    height, width = frames.shape[1:3]
    encoder = av.CodecContext.create("libx264", "w")
    encoder.height, encoder.width, encoder.pix_fmt = height, width, "yuv420p"
    encoder.framerate, encoder.time_base = Fraction(25), Fraction(1, 25)
    encoder.options = {**X264, "crf": str(crf)}
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    kind = "gray" if frames.shape[-1] == 1 else "rgb24"
    # One reformatter for all frames: to make one costs more than to use it.
    into, back = VideoReformatter(), VideoReformatter()
    decoded: list[VideoFrame] = []
    for pixels in frames:
        frame = VideoFrame.from_ndarray(pixels, kind)
        for packet in encoder.encode(into.reformat(frame, format="yuv420p", threads=1)):
            decoded += decoder.decode(packet)
    for packet in encoder.encode(None):
        decoded += decoder.decode(packet)
    decoded += decoder.decode(None)
    pictures = [back.reformat(f, format=kind, threads=1).to_ndarray() for f in decoded]
    return np.stack(pictures).astype(np.uint8).reshape(frames.shape)
