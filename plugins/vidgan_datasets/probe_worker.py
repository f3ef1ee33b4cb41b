"""The process that reads films strictly: `python -m vidgan_datasets.probe_worker`.

It gets one job a line on stdin and answers with one line on stdout, both JSON. Whatever a file
does to it (a crash, a hang, memory) is an answer to the process that asked; see `probe.py`.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.video.stream import VideoStream
from PIL import Image

from vidgan_core.media.read import Film, Times, open_video, strip_length, words
from vidgan_datasets.probe_limits import Damaged, Limits, NoFilm, TooMuch, bound_pixels

# Suffixes of files that were meant to be films: these are damaged, others are just no films.
MEANT = frozenset(
    [
        ".mp4",
        ".m4v",
        ".mov",
        ".avi",
        ".mkv",
        ".webm",
        ".gif",
        ".mpg",
        ".mpeg",
        ".ts",
        ".flv",
        ".wmv",
        ".ogv",
        ".3gp",
        ".mxf",
        ".dv",
        ".h264",
        ".png",
        ".apng",
        ".jpg",
        ".jpeg",
        ".webp",
    ]
)
_TEXTS = {
    b"version https://git-lfs": "a git-LFS pointer, not the file itself; try git lfs pull",
    b"<!doctype html": "a web page",
    b"<html": "a web page",
    b"#extm3u": "a playlist",
    b"ffconcat": "a playlist",
    b"v=0": "a stream's description",
}


def look(film: Film, limits: Limits) -> dict[str, Any]:
    """Read a whole film strictly; return status, reason and facts."""
    try:
        facts = _look_video(film, limits) if film.kind == "video" else _look_stills(film, limits)
        return {"status": "ok", "reason": "", **facts}
    except TooMuch as error:
        return {"status": "refused", "reason": str(error)}
    except MemoryError:
        reason = f"needs more memory than data.max_gigabytes = {limits.gigabytes:g}"
        return {"status": "refused", "reason": reason}
    except NoFilm as error:
        return {"status": "other", "reason": str(error)}
    except Damaged as error:
        return {"status": "damaged", "reason": str(error)}
    except (av.FFmpegError, OSError, ValueError) as error:
        return _unreadable(film, error)


def _look_video(film: Film, limits: Limits) -> dict[str, Any]:
    # err_detect: what the decoder would otherwise conceal is an error.
    options = {"err_detect": "explode", "max_pixels": str(int(limits.megapixels * 1e6))}
    with open_video(film.path, **options) as container:
        if not container.streams.video:
            if container.streams.audio:
                raise NoFilm("no pictures in it, only sound")
            raise Damaged("nothing in it that can be shown")
        stream = container.streams.video[0]
        bound_pixels(stream.height, stream.width, limits)
        stream.codec_context.thread_count = 1
        stream.codec_context.options = options
        ticks = _decode(container, stream, limits)
        times = Times.of(ticks, stream.time_base)
        _whole(container, times, stream.average_rate)
        if container.format.name == "gif":
            _whole_gif(film.path, len(ticks))
        return {
            "frames": len(ticks),
            "height": stream.height,
            "width": stream.width,
            "rate": float(stream.average_rate or 0),
            "times": str(times or ""),
            "sha256": _digest(film.path),
        }


def _decode(container: InputContainer, stream: VideoStream, limits: Limits) -> list[int | None]:
    """Decode every frame; return the ticks at which they are shown."""
    ticks: list[int | None] = []
    packets = 0
    try:
        for packet in container.demux(stream):
            if packet.is_corrupt:
                raise Damaged(f"damaged after frame {len(ticks)}")
            packets += packet.dts is not None or packet.size > 0  # the last one only flushes
            for frame in packet.decode():
                if frame.is_corrupt:
                    raise Damaged(f"frame {len(ticks)} is damaged")
                ticks.append(frame.pts)
            if len(ticks) > limits.frames:
                raise TooMuch(f"more than data.max_frames = {limits.frames} frames")
    except av.FFmpegError as error:
        raise Damaged(f"damaged after frame {len(ticks)}: {words(error)}") from None
    if not ticks:
        raise Damaged("no frame in it")
    if packets < stream.frames:
        raise Damaged(f"{packets} of its {stream.frames} frames are there")
    return ticks


def _whole(container: Any, times: Times | None, rate: Any) -> None:
    """Refuse a film that stops well before the end that its container states."""
    if not (times and container.duration and rate and "matroska" in container.format.name):
        return
    shown = float(times.ticks[-1] * times.base) + 1 / float(rate)
    stated = container.duration / 1e6
    others = [s for s in container.streams if s.type != "video"]
    if not others and shown < stated - max(0.5, 2 / float(rate)):
        raise Damaged(f"ends after {shown:.1f} of its {stated:.1f} seconds")


def _whole_gif(path: Path, frames: int) -> None:
    """Read a GIF a second time, with a reader that conceals less: it has no checksums at all."""
    with Image.open(path, formats=("GIF",)) as image:
        for number in range(frames):
            try:
                image.seek(number)
                image.load()
            except (OSError, ValueError, SyntaxError, EOFError) as error:
                raise Damaged(f"frame {number} is damaged: {words(error)}") from None
    with path.open("rb") as file:
        file.seek(-16, os.SEEK_END)
        if not file.read().rstrip(b"\0").endswith(b";"):
            raise Damaged("its end is missing")


def _look_stills(film: Film, limits: Limits) -> dict[str, Any]:
    paths = [film.path / name for name in film.pictures] or [film.path]
    sizes = set()
    digest = hashlib.sha256()
    if len(paths) > limits.frames:
        raise TooMuch(f"more than data.max_frames = {limits.frames} frames")
    for path in paths:
        digest.update(bytes.fromhex(_digest(path)))
        sizes.add(_look_picture(path, film, limits))
        if len(sizes) > 1:
            raise Damaged(f"pictures of different sizes, from {path.name} on")
    size = sizes.pop()
    height, width = _frame_size(film, *size)
    return {
        "frames": strip_length(*size) if film.kind == "strip" else len(paths),
        "height": height,
        "width": width,
        "rate": 0.0,
        "times": "",
        "sha256": digest.hexdigest(),
    }


def _frame_size(film: Film, height: int, width: int) -> tuple[int, int]:
    """Return the size of a frame in a picture of the given size."""
    if film.kind != "strip":
        return height, width
    if not strip_length(height, width):
        raise Damaged(f"{width}x{height} is not a row of square frames")
    return (min(height, width),) * 2


def _look_picture(path: Path, film: Film, limits: Limits) -> tuple[int, int]:
    """Decode one picture whole; return height and width."""
    try:
        with Image.open(path, formats=("PNG", "JPEG", "WEBP")) as image:
            width, height = image.size
            bound_pixels(*_frame_size(film, height, width), limits)
            if getattr(image, "n_frames", 1) > 1:
                raise Damaged("an animated picture; of these only GIF and PNG are read")
            image.load()
            return height, width
    except (OSError, ValueError, SyntaxError) as error:
        where = f"{path.name}: " if film.pictures else ""
        raise Damaged(f"{where}{words(error)}") from None


def _unreadable(film: Film, error: Exception) -> dict[str, Any]:
    """Say what a file is that can't be read as a film; damaged if it was meant to be one."""
    with film.path.open("rb") as file:
        head = file.read(200).lstrip().lower()
    known = next((text for start, text in _TEXTS.items() if head.startswith(start)), "")
    reason = "empty" if not head else known or f"can't be read as a film: {words(error)}"
    meant = film.path.suffix.lower() in MEANT
    return {"status": "damaged" if meant else "other", "reason": reason}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _bound_memory(gigabytes: float) -> None:
    """Bound what this process takes on top of what it has."""
    with suppress(OSError, ValueError):  # a system that knows no such limit
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        limit = pages * resource.getpagesize() + int(gigabytes * 2**30)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """Answer jobs until stdin ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # what a library prints is not an answer
    av.logging.set_level(None)
    Image.MAX_IMAGE_PIXELS = None  # `bound_pixels` is the limit, before anything is decoded
    limits = Limits(**json.loads(sys.argv[1]))
    _bound_memory(limits.gigabytes)
    for line in sys.stdin:
        job = json.loads(line)
        film = Film(job["kind"], Path(job["path"]), tuple(job["pictures"]))
        print(json.dumps(look(film, limits)), file=answers, flush=True)


if __name__ == "__main__":
    main()
