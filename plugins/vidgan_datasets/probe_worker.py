"""The process that reads videos without concealing anything: `-m vidgan_datasets.probe_worker`.

It gets one job a line on stdin and answers with lines on stdout, all JSON: any number that say how
many frames have been read, then one with what was found. Whatever a file does to it (a crash, a
hang, memory) is an answer to the process that asked; see `probe.py`.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

import av
from PIL import Image

from vidgan_core.lifeline import end_with_parent
from vidgan_core.media.member import File, Place
from vidgan_core.media.open import reason
from vidgan_core.media.video_source import VideoSource
from vidgan_datasets.archive_walk import look_archive
from vidgan_datasets.probe_limits import Damaged, Limits, NotVideo, OverLimit
from vidgan_datasets.probe_pictures import look_animation, look_pictures, look_strip
from vidgan_datasets.probe_video import Progress, look_video

REPORT_EVERY = 0.5  # seconds
# Suffixes of files that were meant to be videos: these are damaged, others are just no videos.
VIDEOS = ".mp4 .m4v .mov .avi .mkv .webm .gif .mpg .mpeg .ts .flv .wmv .ogv .3gp .mxf .dv .h264"
PICTURES = ".png .apng .jpg .jpeg .webp .avif .tif .tiff .bmp .mjpeg .mjpg"
MEANT = frozenset(VIDEOS.split(" ") + PICTURES.split(" "))
COMPRESSED = "compressed; of archives, a zip and a tar that is not compressed are read in place"
_TEXTS = {
    b"version https://git-lfs": "a git-LFS pointer, not the file itself; try git lfs pull",
    b"<!doctype html": "a web page",
    b"<html": "a web page",
    b"#extm3u": "a playlist",
    b"ffconcat": "a playlist",
    b"v=0": "a stream's description",
    b"\x1f\x8b": COMPRESSED,
    b"\x28\xb5\x2f\xfd": COMPRESSED,
    b"\xfd7zxz": COMPRESSED,
    b"bzh": COMPRESSED,
}
_LOOKS = {
    "video": look_video,
    "frames": look_pictures,
    "strip": look_strip,
    "animation": look_animation,
}


def answer(job: Mapping[str, Any], limits: Limits, progress: Progress) -> dict[str, Any]:
    """Do what is asked for: list an archive, or read a whole video."""
    path = Path(job["path"])
    if job["kind"] != "archive":
        places = tuple(Place(*place) for place in job["places"])
        pictures, folder = tuple(job["pictures"]), job["folder"]
        source = VideoSource(job["kind"], path, pictures, folder=folder, places=places)
        return look(source, limits, progress)
    try:
        return look_archive(path, job["layout"], progress)
    except MemoryError:
        return _too_large(limits)


def _too_large(limits: Limits) -> dict[str, Any]:
    reason = f"needs more memory than data.max_gigabytes = {limits.gigabytes:g}"
    return {"status": "refused", "reason": reason}


def look(source: VideoSource, limits: Limits, progress: Progress) -> dict[str, Any]:
    """Read a whole video; return status, reason and facts."""
    try:
        return {"status": "ok", "reason": "", **_LOOKS[source.kind](source, limits, progress)}
    except OverLimit as error:
        return {"status": "refused", "reason": str(error)}
    except MemoryError:
        return _too_large(limits)
    except NotVideo as error:
        return {"status": "other", "reason": str(error)}
    except Damaged as error:
        return {"status": "damaged", "reason": str(error)}
    except (av.FFmpegError, OSError, ValueError, SyntaxError) as error:
        return _unreadable(source.file(), error)


def _unreadable(path: File, error: Exception) -> dict[str, Any]:
    """Say what a file is that can't be read as a video; damaged if it was meant to be one."""
    head = b"?"  # of one in an archive that does not inflate
    with suppress(ValueError), path.open("rb") as file:
        head = file.read(200).lstrip().lower()
    known = next((text for start, text in _TEXTS.items() if head.startswith(start)), "")
    why = "empty" if not head else known or f"can't be read as a video: {reason(error)}"
    status = "damaged" if path.suffix.lower() in MEANT else "other"
    return {"status": status, "reason": why}


def _reporter(answers: TextIO) -> Progress:
    """Return what writes how many frames have been read, twice a second at most."""
    last = time.monotonic()

    def report(frames: int) -> None:
        nonlocal last
        if (now := time.monotonic()) - last > REPORT_EVERY:
            last = now
            print(json.dumps({"read": frames}), file=answers, flush=True)

    return report


def _bound_memory(gigabytes: float) -> None:
    """Bound what this process takes on top of what it has."""
    with suppress(OSError, ValueError):  # a system that knows no such limit
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        limit = pages * resource.getpagesize() + int(gigabytes * 2**30)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """Answer jobs until stdin ends, or the process that asks."""
    end_with_parent(int(sys.argv[2]))
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # what a library prints is not an answer
    av.logging.set_level(None)
    Image.MAX_IMAGE_PIXELS = None  # `bound_pixels` is the limit, before anything is decoded
    limits = Limits(**json.loads(sys.argv[1]))
    _bound_memory(limits.gigabytes)
    for line in sys.stdin:
        found = answer(json.loads(line), limits, _reporter(answers))
        print(json.dumps(found), file=answers, flush=True)


if __name__ == "__main__":
    main()
