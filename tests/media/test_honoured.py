"""What files state about their pixels is honoured: against ffmpeg's filters, Pillow, formulas.

Every picture is read by the folder data set, as training reads it.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from charts import (
    Pixels,
    alpha_chart,
    chart,
    filtered,
    largest_difference,
    over,
    save_picture,
    save_png,
    save_video,
    shown,
)
from clips import folder
from PIL import Image

from vidgan_core.interfaces import DataSpec
from vidgan_core.media.describe import describe
from vidgan_core.media.video_source import read_video

SAMPLES = Path(__file__).parent / "samples"
TOLERANCE = 3  # grey levels
EXIF_ORIENTATION = 0x0112
TURNS = {  # EXIF's numbers in Pillow's words: how to make the stored picture upright
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# The same as degrees anticlockwise, then mirrored left to right, then top to bottom
ROTATIONS = {
    1: (0, False, False),
    2: (0, True, False),
    3: (180, False, False),
    4: (0, False, True),
    5: (270, True, False),
    6: (270, False, False),
    7: (90, True, False),
    8: (90, False, False),
}


def upright(stored: Pixels, number: int) -> Pixels:
    image, turn = Image.fromarray(stored), TURNS[number]
    return np.asarray(image.transpose(turn) if turn is not None else image)


@pytest.mark.parametrize("number", TURNS)
def test_videos_stand_upright(number: int) -> None:
    stored, expected = chart(), upright(chart(), number)
    rotation = ROTATIONS[number]
    save_video(
        "clips/a.mp4", [stored] * 2, codec="libx264rgb", pixels="rgb24", rotation=rotation, qp="0"
    )
    found = shown("clips", *expected.shape[:2])
    assert largest_difference(found, expected) <= TOLERANCE
    record = folder("clips").check()[0]
    assert (record["height"], record["width"]) == expected.shape[:2]
    facts = describe(Path("clips/a.mp4"))
    assert (facts["height"], facts["width"]) == expected.shape[:2]
    whole = read_video(Path("clips/a.mp4"), *expected.shape[:2])
    assert largest_difference(whole[1], expected) <= TOLERANCE


@pytest.mark.parametrize(
    ("number", "suffix"),
    [*((n, "png") for n in TURNS), *((n, "jpg") for n in TURNS), (6, "tif"), (7, "webp")],
)
def test_pictures_stand_upright(number: int, suffix: str) -> None:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = number
    quality = {"jpg": {"quality": 100, "subsampling": 0}, "webp": {"lossless": True}}
    path = save_picture(f"clips/a.{suffix}", chart(), exif=exif, **quality.get(suffix, {}))
    stored = np.asarray(Image.open(path)) if suffix == "jpg" else chart()
    expected = upright(stored, number)
    assert largest_difference(shown("clips", *expected.shape[:2]), expected) <= TOLERANCE
    record = folder("clips").check()[0]
    assert (record["height"], record["width"]) == expected.shape[:2]
    assert describe(Path(f"clips/a.{suffix}"))["width"] == expected.shape[1]


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("sar", ["2/1", "1/2", "4/3"])
def test_pixels_that_are_not_square(sar: str, fit: str) -> None:
    lossless = {"codec": "libx264rgb", "pixels": "rgb24", "qp": "0"}
    save_video("clips/a.mkv", [chart(96, 96)] * 2, sar=Fraction(sar), **lossless)
    wide = round(96 * Fraction(sar))
    sizes = {  # of the whole picture with square pixels, in a frame of 48x48
        "crop": (48, wide // 2) if wide >= 96 else (96, 48),
        "pad": (round(48 * 96 / wide), 48) if wide >= 96 else (48, wide // 2),
        "stretch": (48, 48),
    }
    height, width = sizes[fit]
    picture = filtered("clips/a.mkv", ("scale", f"{width}:{height}:flags=bilinear"))[0]
    top, left = (48 - height) // 2, (48 - width) // 2
    if fit == "pad":
        expected = np.zeros((48, 48, 3))
        expected[top : top + height, left : left + width] = picture
    else:
        expected = picture[-top or None : 48 - top, -left or None : 48 - left]
    assert largest_difference(shown("clips", 48, 48, fit=fit), expected) <= TOLERANCE
    record = folder("clips").check()[0]
    assert (record["height"], record["width"]) == (96, wide)


@pytest.mark.parametrize("bits", [10, 12, 16])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_pictures_of_many_bits(suffix: str, channels: int, bits: int) -> None:
    colours = chart()[..., : min(channels, 3)] / 255
    values = np.rint(colours * (2**bits - 1))
    values[0, 0] = 2**bits - 1
    if channels == 4:
        opaque = np.full_like(values[..., :1], 2**bits - 1)
        values = np.concatenate([values, opaque], -1)
    if suffix == "png":
        save_png("clips/a.png", values)
    elif channels == 1:
        save_picture("clips/a.tif", values[..., 0].astype(np.uint16))
    else:
        layout = "rgb48le" if channels == 3 else "rgba64le"
        _save_tiff(Path("clips/a.tif"), values.astype(np.uint16), layout)
    expected = np.broadcast_to(values[..., :3] / (2**bits - 1) * 255, (48, 64, 3))
    assert largest_difference(shown("clips"), expected) <= TOLERANCE
    assert folder("clips").check()[0]["depth"] == bits


def test_videos_of_many_bits() -> None:
    values = chart().astype(np.uint16) * 257
    ten_bits = np.rint(chart() / 255 * 1023).astype(np.uint16) * 64  # as rgb48 holds them
    for name, layout, pixels, frame in (
        ("grey16", "gray16le", "gray16le", values[..., 0]),
        ("rgb48", "rgb48le", "gbrp16le", values),
        ("yuv10", "rgb48le", "yuv444p10le", ten_bits),
    ):
        save_video(f"{name}/a.mkv", [frame] * 2, layout, pixels=pixels)
        expected = chart() if frame.ndim == 3 else np.repeat(chart()[..., :1], 3, -1)
        assert largest_difference(shown(name), expected) <= TOLERANCE, name


def _palette(path: Path) -> None:
    """Opaque and clear squares of two colours, and a hidden third."""
    indices = np.zeros((48, 64), np.uint8)
    indices[:24, 32:], indices[24:] = 1, 2
    image = Image.fromarray(indices, "P")
    image.putpalette([255, 0, 255, 200, 40, 20, 20, 90, 200])
    path.parent.mkdir(exist_ok=True)
    image.save(path, transparency=0)


def _animated(path: Path) -> None:
    frames = [Image.fromarray(alpha_chart())] * 2
    path.parent.mkdir(exist_ok=True)
    options = {"lossless": True, "exact": True} if path.suffix == ".webp" else {"quality": 100}
    frames[0].save(
        path, save_all=True, append_images=[Image.fromarray(alpha_chart()[::-1])], **options
    )


ALPHA = {
    "png": lambda p: save_picture(p / "a.png", alpha_chart()),
    "png16": lambda p: save_png(p / "a.png", alpha_chart().astype(np.uint16) * 257),
    "webp": lambda p: save_picture(p / "a.webp", alpha_chart(), lossless=True, exact=True),
    "tiff": lambda p: save_picture(p / "a.tif", alpha_chart()),
    "animated webp": lambda p: _animated(p / "a.webp"),
    "animated png": lambda p: _animated(p / "a.png"),
    "ffv1": lambda p: save_video(p / "a.mkv", [alpha_chart()] * 2, "rgba", pixels="bgra"),
    "qtrle": lambda p: save_video(
        p / "a.mov", [alpha_chart()] * 2, "rgba", codec="qtrle", pixels="argb"
    ),
    "png in mov": lambda p: save_video(
        p / "a.mov", [alpha_chart()] * 2, "rgba", codec="png", pixels="rgba"
    ),
    "vp9": lambda p: save_video(
        p / "a.webm", [alpha_chart()] * 2, "rgba", codec="libvpx-vp9", pixels="yuva420p", crf="1"
    ),
}


@pytest.mark.parametrize("background", ["white", "#3264c8"])
@pytest.mark.parametrize("name", ALPHA)
def test_alpha_is_laid_over_the_background(name: str, background: str) -> None:
    ALPHA[name](Path("clips"))
    colour = {"white": (255, 255, 255), "#3264c8": (50, 100, 200)}[background]
    expected = over(alpha_chart(), colour)
    found = shown("clips", background=background)
    # vp9 halves the colours' resolution: near the hidden magenta they are not comparable.
    kept = slice(24, None) if name == "vp9" else slice(None)
    tolerance = 8 if name == "vp9" else TOLERANCE
    assert largest_difference(found[:, kept], expected[:, kept]) <= tolerance
    assert largest_difference(found[:, :14], expected[:, :14]) <= tolerance, "hidden colours"


@pytest.mark.parametrize("suffix", ["png", "gif"])
@pytest.mark.parametrize("background", ["black", "white"])
def test_a_clear_colour_of_a_palette(suffix: str, background: str) -> None:
    _palette(Path(f"clips/a.{suffix}"))
    found = shown("clips", background=background)
    level = {"black": 0, "white": 255}[background]
    for (y, x), colour in {
        (5, 5): [level] * 3,
        (5, 50): [200, 40, 20],
        (40, 30): [20, 90, 200],
    }.items():
        assert largest_difference(found[y, x], np.array(colour)) <= TOLERANCE


def test_alpha_as_a_channel_is_scaled_without_what_hides_behind_it() -> None:
    save_picture("clips/a.png", alpha_chart(96, 128))
    found = shown("clips", channels=4)
    assert found.shape == (48, 64, 4)
    solid = found[..., 3] > 100
    expected = chart(96, 128)[::2, ::2].astype(float)
    assert np.abs(found[solid][:, :3] - expected[solid]).max() <= 2 * TOLERANCE
    opaque = shown("clips", channels=3)
    assert largest_difference(over(found, (0, 0, 0)), opaque) <= TOLERANCE


def test_grey_is_luma() -> None:
    save_picture("clips/a.png", chart())
    expected = np.asarray(Image.fromarray(chart()).convert("L"))[..., None]
    assert largest_difference(shown("clips", channels=1), expected) <= 1


@pytest.mark.parametrize("suffix", ["webp", "avif", "png"])
def test_animated_pictures_are_videos(suffix: str) -> None:
    frames = [np.full((48, 64, 3), level, np.uint8) for level in (20, 90, 160, 230)]
    Path("clips").mkdir()
    images = [Image.fromarray(frame) for frame in frames]
    images[0].save(f"clips/a.{suffix}", save_all=True, append_images=images[1:], duration=125)
    dataset = folder("clips", spec=DataSpec(3, 4, 48, 64))
    levels = dataset.item(0)["video"].mean((0, 2, 3))
    assert largest_difference(levels, np.array([20, 90, 160, 230])) <= TOLERANCE
    record = dataset.check()[0]
    assert record["frames"] == 4
    assert record["rate"] == pytest.approx(8, abs=0.1)
    slower = folder("clips", spec=DataSpec(3, 2, 48, 64), fps=4.0)
    levels = slower.item(0)["video"].mean((0, 2, 3))
    assert largest_difference(levels, np.array([20, 160])) <= TOLERANCE


def _save_tiff(path: Path, values: Pixels, layout: str) -> None:
    import av

    path.parent.mkdir(exist_ok=True)
    codec = av.CodecContext.create("tiff", "w")
    codec.height, codec.width, codec.pix_fmt = *values.shape[:2], layout
    codec.time_base = Fraction(1, 25)
    frame = av.VideoFrame.from_ndarray(values, format=layout)
    path.write_bytes(b"".join(map(bytes, [*codec.encode(frame), *codec.encode(None)])))
