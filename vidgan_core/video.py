"""Frames to files and back. Frames are uint8 arrays (T, H, W, 3).

Everything that is written carries a mark that says it is generated, in the format's own comment:
`read_mark` finds it again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.frame import PictureType
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray
from PIL import Image, ImageSequence, PngImagePlugin

from vidgan_core import __version__
from vidgan_core.errors import UsageError, VidganError

Frames = NDArray[np.uint8]
Mark = Mapping[str, Any]

_MARKED = "generated-by"  # the key by which a mark is told from any other comment


def make_mark(checkpoint: str, seed: int) -> Mark:
    """Return what a generated file says of itself: program, version, checkpoint hash, seed."""
    return {_MARKED: "vidgan", "version": __version__, "checkpoint": checkpoint, "seed": seed}


def decode(path: Path, height: int, width: int) -> Frames:
    """Read all frames of a video, scaled to cover height x width, and crop the centre.

    Raises VidganError when the file can't be read as a video.
    """
    try:
        # file: keeps a name such as http:x.mp4 from being taken for an address.
        with av.open(f"file:{path}") as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            scale = max(height / stream.height, width / stream.width)
            tall = max(height, round(stream.height * scale))
            wide = max(width, round(stream.width * scale))
            scaler = VideoReformatter()  # one for all frames: making it costs as much as scaling
            frames = [
                scaler.reformat(f, width=wide, height=tall, format="rgb24").to_ndarray()
                for f in container.decode(stream)
            ]
    except (av.FFmpegError, IndexError, OSError) as error:
        raise VidganError(f"{path} can't be read as a video: {error}") from None
    if not frames:
        raise VidganError(f"{path} holds no video frame")
    top, left = (tall - height) // 2, (wide - width) // 2
    return np.stack([f[top : top + height, left : left + width] for f in frames])


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
    """Write windows of one film as `write_mp4` does, each as it comes; return how many frames."""
    even = map(_even, windows)
    first = next(even)
    height, width = first.shape[1:3]
    try:
        return _encode(path, chain([first], even), (height, width), fps, mark)
    except av.FFmpegError as error:
        raise VidganError(f"{path}: can't write a film of {width}x{height}: {error}") from None


def _even(frames: Frames) -> Frames:
    """Repeat the last row and column of frames whose height and width are odd."""
    odd = [(0, n % 2) for n in frames.shape[1:3]]
    return np.pad(frames, ((0, 0), *odd, (0, 0)), mode="edge")


def _encode(
    path: Path, windows: Iterable[Frames], size: tuple[int, int], fps: float, mark: Mark
) -> int:
    count = 0
    with av.open(f"file:{path}", "w", format="mp4") as container:
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
    images[0].save(
        path,
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
    Image.fromarray(image).save(path, pnginfo=info)


def describe(path: Path) -> dict[str, Any]:
    """Return format, size, length and mark of a video or picture file.

    Raises VidganError when it is neither.
    """
    try:
        return _describe_image(path)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        pass  # no picture; a video then
    try:
        with av.open(f"file:{path}") as container:
            stream = container.streams.video[0]
            facts = {
                "format": f"{container.format.name} ({stream.codec_context.name})",
                "frames": stream.frames,
                "height": stream.height,
                "width": stream.width,
                "fps": float(stream.average_rate or 0),
            }
            return facts | {"mark": parse_mark(container.metadata.get("comment"))}
    except (av.FFmpegError, IndexError, OSError) as error:
        raise VidganError(f"{path} is neither a video nor a picture: {error}") from None


def read_mark(path: Path) -> Mark | None:
    """Return the mark of a generated file, or None if it has none."""
    mark: Mark | None = describe(path)["mark"]
    return mark


def parse_mark(comment: str | bytes | None) -> Mark | None:
    """Return the mark that a comment holds, if it is one."""
    try:
        mark = json.loads(comment or "null")
    except (ValueError, RecursionError):
        return None
    return mark if isinstance(mark, dict) and _MARKED in mark else None


def _describe_image(path: Path) -> dict[str, Any]:
    with Image.open(path) as image:
        frames = sum(1 for _ in ImageSequence.Iterator(image))
        image.seek(0)
        comment = image.info.get("comment") or image.info.get("Comment")
        duration = image.info.get("duration")
        return {
            "format": image.format,
            "frames": frames,
            "height": image.height,
            "width": image.width,
            "fps": 1000 / duration if duration else None,
            "mark": parse_mark(comment),
        }
