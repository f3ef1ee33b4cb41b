"""Frames to files and back. Frames are uint8 arrays (T, H, W, 3).

Everything that is written carries a mark that says it is generated, in the format's own comment:
`read_mark` finds it again. A file has its name once it is complete, and never before.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from av.video.frame import PictureType
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from vidgan_core.errors import UsageError, VidganError, printable
from vidgan_core.media.frames import Frames
from vidgan_core.media.provenance import Mark


def writer(path: Path) -> Callable[..., None]:
    """Return what writes frames to a file of this name; UsageError if nothing does."""
    writers = {".mp4": write_mp4, ".gif": write_gif}
    try:
        return writers[path.suffix.lower()]
    except KeyError:
        known = ", ".join(writers)
        raise UsageError(f"{path}: can't write {path.suffix!r} as a video", hint=known) from None


def write_mp4(path: Path, frames: Frames, *, fps: float, mark: Mark) -> None:
    """Write H.264 in yuv420p, which every browser plays; odd sizes grow by one repeated pixel."""
    write_long_mp4(path, [frames], fps=fps, mark=mark)


def write_long_mp4(path: Path, windows: Iterable[Frames], *, fps: float, mark: Mark) -> int:
    """Write windows of one video as `write_mp4` does, each as it comes; return how many frames."""
    evened = map(even, windows)
    first = next(evened)
    height, width = first.shape[1:3]
    with appearing(path) as file:
        try:
            return _encode(file, chain([first], evened), (height, width), fps, mark)
        except av.FFmpegError as error:
            raise VidganError(f"{path}: can't write a video of {width}x{height}: {error}") from None


@contextmanager
def appearing(path: Path) -> Iterator[BinaryIO]:
    """Yield a file that gets the name `path` by one rename at the end, or is gone.

    Raises VidganError, which names the file, where the system can't write it.
    """
    unfinished = path.with_name(f".tmp-{os.getpid()}-{threading.get_ident()}")
    try:
        with unfinished.open("wb") as file:
            yield file
        unfinished.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise VidganError(f"can't write {printable(str(path))}: {reason}") from None
    finally:
        unfinished.unlink(missing_ok=True)


def even(frames: Frames) -> Frames:
    """Repeat the last row and column of frames (T, H, W, C) whose height and width are odd."""
    odd = [(0, n % 2) for n in frames.shape[1:3]]
    return np.pad(frames, ((0, 0), *odd, (0, 0)), mode="edge")


def _encode(
    file: BinaryIO, windows: Iterable[Frames], size: tuple[int, int], fps: float, mark: Mark
) -> int:
    count = 0
    with av.open(file, "w", format="mp4") as container:
        container.metadata["comment"] = json.dumps(dict(mark))
        rate = Fraction(fps).limit_denominator(1000)
        stream = container.add_stream("libx264", rate=rate, options={"crf": "17"})
        stream.height, stream.width = size
        stream.pix_fmt = "yuv420p"
        for array in chain.from_iterable(windows):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(array), format="rgb24")
            frame.pict_type = PictureType.NONE
            container.mux(stream.encode(frame))
            count += 1
        container.mux(stream.encode(None))
    return count


def write_gif(path: Path, frames: Frames, *, fps: float, mark: Mark) -> None:
    """Write an endless GIF with one palette for all frames, so that colours don't flicker."""
    palette = Image.fromarray(np.concatenate(list(frames[:: max(1, len(frames) // 8)])))
    palette = palette.quantize(256, method=Image.Quantize.MEDIANCUT)
    images = [Image.fromarray(f).quantize(palette=palette) for f in frames]
    with appearing(path) as file:
        images[0].save(
            file,
            "GIF",
            save_all=True,
            append_images=images[1:],
            duration=round(1000 / fps),
            loop=0,
            comment=json.dumps(dict(mark)).encode(),
        )


def write_png(path: Path, image: NDArray[np.uint8], *, mark: Mark | None = None) -> None:
    """Write one picture (H, W, 3); without a mark where it is no generated media."""
    info = PngImagePlugin.PngInfo()
    if mark:
        info.add_text("Comment", json.dumps(dict(mark)))
    with appearing(path) as file:
        Image.fromarray(image).save(file, "PNG", pnginfo=info)
