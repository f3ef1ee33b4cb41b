"""Read pictures whole: the frames of a folder, a strip of frames, an animated picture.

Free of torch.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NoReturn

import av

from vidgan_core.data.cache import file_digest
from vidgan_core.media.member import File
from vidgan_core.media.open import reason
from vidgan_core.media.still import (
    MAX_STRIP,
    deepest,
    depth_of,
    is_hdr_picture,
    open_picture,
    opened,
    strip_length,
    upright_size,
)
from vidgan_core.media.timestamps import Times
from vidgan_core.media.video_source import VideoSource
from vidgan_datasets.probe_limits import (
    MOST_TEXT,
    Damaged,
    Limits,
    NotVideo,
    OverLimit,
    bound_frames,
    bound_pixels,
)
from vidgan_datasets.probe_video import Progress
from vidgan_datasets.sequences import missing_before

STRIP_FRAMES = 10  # a strip may have as many pixels as this many of the largest frames


@dataclass(frozen=True, slots=True)
class _Look:
    """One picture: its upright size, its largest 16-bit value, or why it is left out.

    `hdr`: was it turned to SDR?
    """

    height: int = 0
    width: int = 0
    largest: int = 0
    hdr: bool = False
    status: str = "ok"
    reason: str = ""


def look_pictures(source: VideoSource, limits: Limits, progress: Progress) -> dict[str, Any]:
    """Decode every picture of a folder; return what is known of the video.

    A picture that can't be read or is no frame like the others is left out and named; where one is
    missing, something new begins. Raises Damaged if none is left.
    """
    bound_frames(len(source.pictures), limits)
    looks: dict[str, _Look] = {}
    for number, name in enumerate(source.pictures):
        looks[name] = _look(source.file(number), limits)
        progress(number + 1)
    sizes = Counter((look.height, look.width) for look in looks.values() if look.status == "ok")
    if not sizes:
        _raise_first(looks)
    size = sizes.most_common(1)[0][0]
    odd = {
        name: (look.status, look.reason)
        if look.status != "ok"
        else ("other", f"{look.width}x{look.height} among frames of {size[1]}x{size[0]}")
        for name, look in looks.items()
        if look.status != "ok" or (look.height, look.width) != size
    }
    used = [name for name in looks if name not in odd]
    files = [source.file(n) for n, name in enumerate(source.pictures) if name not in odd]
    return _facts(files, size, max(looks[n].largest for n in used)) | {
        "left_out": [(name, *why) for name, why in odd.items()],
        "gaps": missing_before(used),
        "hdr": any(looks[name].hdr for name in used),
    }


def look_strip(source: VideoSource, limits: Limits, progress: Progress) -> dict[str, Any]:
    """Decode a strip of square frames. Raises Damaged or OverLimit."""
    with opened(source.file(), max_pixels=math.inf) as image:
        height, width = upright_size(image)
    count = strip_length(height, width)
    if not count:
        raise Damaged(f"{width}x{height} is not a row of square frames")
    bound_frames(count, limits)
    bound_pixels(min(height, width), min(height, width), limits)
    if count > MAX_STRIP or height * width > STRIP_FRAMES * limits.megapixels * 1e6:
        raise OverLimit(f"a strip of {width}x{height} is too large to be read at once")
    look = _decode(source.file())
    progress(count)
    side = min(height, width)
    return _facts([source.file()], (side, side), look.largest) | {"frames": count, "hdr": look.hdr}


def look_animation(source: VideoSource, limits: Limits, progress: Progress) -> dict[str, Any]:
    """Decode every frame of an animated picture. Raises Damaged or OverLimit."""
    milliseconds = [0]
    with opened(source.file(), max_pixels=math.inf) as image:
        count = getattr(image, "n_frames", 1)
        height, width = upright_size(image)
        bound_pixels(height, width, limits)
        bound_frames(count, limits)
        for number in range(count):
            try:
                image.seek(number)
                image.load()
            except (OSError, ValueError, SyntaxError, EOFError) as error:
                raise Damaged(f"frame {number} is damaged: {reason(error)}") from None
            milliseconds.append(milliseconds[-1] + round(image.info.get("duration") or 100))
            progress(number + 1)
    times = Times.of(milliseconds[:-1], Fraction(1, 1000))
    seconds = milliseconds[-1] / 1000
    return {
        "frames": count,
        "height": height,
        "width": width,
        "rate": count / seconds if seconds else 0.0,
        "times": str(times or ""),
        "gaps": times.gaps if times else (),
        "sha256": file_digest(source.file()),
    }


def _look(path: File, limits: Limits) -> _Look:
    try:
        with opened(path, max_pixels=math.inf) as image:
            height, width = upright_size(image)
            bound_pixels(height, width, limits)
            if getattr(image, "n_frames", 1) > 1:
                return _Look(status="other", reason="an animated picture among frames")
        return _decode(path)
    except OverLimit as error:
        return _Look(status="refused", reason=str(error))
    except (OSError, ValueError, SyntaxError, av.FFmpegError) as error:
        return _Look(status="damaged", reason=reason(error)[:MOST_TEXT])


def _decode(path: File) -> _Look:
    height, width = open_picture(path).shape[:2]
    with opened(path) as image:
        hdr = is_hdr_picture(path, image)
    return _Look(height, width, deepest(path), hdr)


def _facts(files: list[File], size: tuple[int, int], largest: int) -> dict[str, Any]:
    digest = hashlib.sha256()
    for file in files:
        digest.update(bytes.fromhex(file_digest(file)))
    return {
        "frames": len(files),
        "height": size[0],
        "width": size[1],
        "depth": depth_of(largest),
        "sha256": digest.hexdigest(),
    }


def _raise_first(looks: dict[str, _Look]) -> NoReturn:
    """Raise why not one picture is used: what is wrong with the first."""
    name, look = next(iter(looks.items()))
    kind = {"refused": OverLimit, "damaged": Damaged}.get(look.status, NotVideo)
    raise kind(f"{name}: {look.reason}")
