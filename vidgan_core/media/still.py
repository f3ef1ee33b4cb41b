"""Still and animated pictures as RGB, or RGB and alpha: upright, whatever their bit depth.

Free of torch.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vidgan_core.media.frames import Picture
from vidgan_core.media.member import File
from vidgan_core.media.open import open_video
from vidgan_core.media.orientation import Orientation
from vidgan_core.media.tone_map import HDR, to_sdr

FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "TIFF", "BMP", "PPM")
MAX_PIXELS = 2**28  # of a picture, where the caller states no limit: as many as Pillow warns of
MAX_STRIP = 50_000  # frames in one picture
LEAST_STRIP = 4  # frames; a picture twice or thrice as long as wide may be anything
DEPTHS = (10, 12)  # bits that are found in 16-bit files without a word about it
_HEADER = 2**16  # bytes in which an AVIF says what it is
_FFMPEG_CODECS = {"PNG": "png", "TIFF": "tiff"}
_EXIF_ORIENTATION = 0x0112


@contextmanager
def opened(
    path: File, formats: tuple[str, ...] = FORMATS, max_pixels: float = MAX_PIXELS
) -> Iterator[Image.Image]:
    """Open a picture's header. Raises ValueError for one that is too large to decode."""
    with path.open("rb") as file, _opened(file, formats) as image:
        if image.width * image.height > max_pixels:
            raise ValueError(f"{image.width}x{image.height} is too large for a picture")
        yield image


def _opened(file: IO[bytes], formats: tuple[str, ...]) -> Image.Image:
    try:
        return Image.open(file, formats=formats)
    except Image.DecompressionBombError as error:
        raise ValueError(str(error)) from None


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Return the height and width of a picture that stands upright, from its header alone."""
    # Pillow decodes a PNG to look for EXIF data behind the pixels: a bomb would go off. The size of
    # a TIFF is upright already.
    if image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info):
        return image.height, image.width
    return exif_orientation(image).size(image.height, image.width)


def exif_orientation(image: Image.Image) -> Orientation:
    """Return how a picture must be turned; upright where its EXIF data are silent or damaged."""
    try:
        return Orientation.from_exif(image.getexif().get(_EXIF_ORIENTATION, 1))
    except (ValueError, SyntaxError, OSError, struct.error, KeyError, TypeError):
        return Orientation()


def open_picture(path: File, depth: int = 16) -> Picture:
    """Read a picture as (H, W, 3), or (H, W, 4) if it has an alpha channel.

    `depth` says how many of the bits of a 16-bit file its values use. Raises OSError, ValueError
    or av.FFmpegError.
    """
    with opened(path) as image:
        if is_hdr_picture(path, image):
            return exif_orientation(image).apply(_from_hdr(path))
        if not is_deep(image):
            return _eight_bits(image)
        eight_bits = to_eight_bits(_sixteen_bits(path, image), depth)
        return exif_orientation(image).apply(eight_bits)


def is_hdr_picture(path: File, image: Image.Image) -> bool:
    """Is the transfer function that an AVIF states one of HDR's?"""
    if image.format != "AVIF":
        return False
    with path.open("rb") as file:
        _, found, rest = file.read(_HEADER).partition(b"colrnclx")
    return bool(found) and int.from_bytes(rest[2:4]) in HDR


def _from_hdr(path: File) -> Picture:
    """Read a picture through ffmpeg's libraries, which keep its bits, and turn it to SDR."""
    with open_video(path) as container:
        frame = next(container.decode(video=0))
    deep = np.asarray(frame.to_ndarray(format="rgb48le"), np.uint16)
    return to_sdr(deep, int(frame.color_trc), int(frame.color_primaries))


def is_deep(image: Image.Image) -> bool:
    """Has the picture more than 8 bits a channel, which Pillow would cut off or saturate?"""
    if image.mode == "F":
        raise ValueError("its values are floating-point; 8 or 16 bits are read")
    colours = image.format in _FFMPEG_CODECS and image.mode in ("RGB", "RGBA")
    return image.mode.startswith("I") or (colours and ";16" in str(getattr(image, "tile", "")))


def deepest(path: File) -> int:
    """Return the largest value of a picture with more than 8 bits a channel, 0 for others."""
    with opened(path) as image:
        return int(_sixteen_bits(path, image)[..., :3].max()) if is_deep(image) else 0


def depth_of(largest: int) -> int:
    """Return how many bits the values of 16-bit pictures use, given the largest of all of them.

    10- and 12-bit recordings are often stored unscaled in 16-bit files. A video that is genuinely
    16 bits deep and never brighter than 1/16 would be black.
    """
    return next((bits for bits in DEPTHS if 0 < largest < 2**bits), 16)


def to_eight_bits(deep: NDArray[np.uint16], depth: int) -> Picture:
    """Scale values of a depth to 0 ... 255, the nearest."""
    largest = 2**depth - 1
    doubled = np.minimum(deep, largest).astype(np.uint32) * 510 + largest
    return np.asarray(doubled // (2 * largest), np.uint8)


def animation(path: File) -> Iterator[Picture]:
    """Yield the frames of an animated picture, (H, W, 3) or (H, W, 4)."""
    with opened(path, ("WEBP", "AVIF", "PNG", "GIF")) as image:
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            yield _eight_bits(image)


def composite(picture: Picture, background: tuple[int, int, int]) -> Picture:
    """Lay a picture (H, W, 4) over one colour: (H, W, 3), the nearest values."""
    alpha = picture[..., 3:].astype(np.uint32)
    mixed = picture[..., :3] * alpha + np.asarray(background, np.uint32) * (255 - alpha)
    return np.asarray((mixed * 2 + 255) // 510, np.uint8)


def strip_length(height: int, width: int) -> int:
    """Return how many square frames lie in a row in a picture, 0 if they don't fit."""
    short, long = sorted((height, width))
    return long // short if short and long % short == 0 else 0


def cut_strip(picture: Picture) -> list[Picture]:
    """Cut a strip of square frames apart, along its longer side."""
    height, width = picture.shape[:2]
    count = strip_length(height, width)
    if not 0 < count <= MAX_STRIP:
        raise ValueError(f"{width}x{height} is not a row of square frames")
    return np.split(picture, count, axis=0 if height > width else 1)


def _eight_bits(image: Image.Image) -> Picture:
    pixels = np.asarray(image.convert("RGBA" if image.has_transparency_data else "RGB"))
    return exif_orientation(image).apply(pixels)


def _sixteen_bits(path: File, image: Image.Image) -> NDArray[np.uint16]:
    """Return all bits of a picture, (H, W, 3) or (H, W, 4), not yet turned."""
    if image.mode.startswith("I"):
        grey = np.asarray(image).clip(0, 65535).astype(np.uint16)
        return np.repeat(grey[..., None], 3, axis=-1)
    # Of 16-bit colours Pillow keeps the upper half only.
    codec: Any = av.CodecContext.create(_FFMPEG_CODECS[str(image.format)], "r")
    packets = [av.Packet(path.read_bytes()), None]
    frame = next(f for packet in packets for f in codec.decode(packet))
    alpha = any(part.is_alpha for part in frame.format.components)
    return np.asarray(frame.to_ndarray(format="rgba64le" if alpha else "rgb48le"), np.uint16)
