"""Frames of any size, shape of pixel, orientation, colour and bit depth to frames of one kind."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from vidgan_core.media.frames import Picture
from vidgan_core.media.orientation import Orientation
from vidgan_core.media.still import composite
from vidgan_core.media.tone_map import is_hdr, to_sdr

Fit = Literal["crop", "pad", "stretch"]
BLACK = (0, 0, 0)
NARROWEST, WIDEST = Fraction(1, 16), Fraction(16)  # pixels; beyond, a header is damaged


@dataclass(frozen=True, slots=True)
class Geometry:
    """The frames that are wanted: size, channels (1, 3 or 4), and how others are brought to it.

    Where alpha is not asked for, it is laid over `background`, which also frames what is padded.
    `exact` scales to odd widths too, which takes half as long again. `square_pixels` takes pixels
    for square, whatever a file says of them. With a `place`, the fractions of the room below and
    right of the cut, frames are cut there at the size that they have.
    """

    height: int
    width: int
    fit: Fit = "crop"
    channels: int = 3
    background: tuple[int, int, int] = BLACK
    exact: bool = False
    square_pixels: bool = False
    place: tuple[float, float] | None = None


def pixel_aspect(stated: Fraction | None) -> Fraction:
    """Return how much wider than high a pixel is; 1 where the file states none or an absurd one."""
    return stated if stated and NARROWEST <= stated <= WIDEST else Fraction(1)


class Fitter:
    """Brings the frames of one video to one size: `aspect` is its pixels' width to height."""

    def __init__(self, geometry: Geometry, aspect: Fraction = Fraction(1)) -> None:
        self._geometry = geometry
        self._aspect = Fraction(1) if geometry.square_pixels else aspect
        self._scaler = VideoReformatter()  # one for all frames: it costs as much as scaling
        self._orientation: Orientation | None = None

    def __call__(self, frame: VideoFrame) -> Picture:
        """Return the frame upright, scaled and cut, (H, W, C)."""
        if self._orientation is None:  # the same for all frames
            self._orientation = Orientation.of(frame)
        orientation = self._orientation
        shown = orientation.size(frame.height, max(1, round(frame.width * self._aspect)))
        height, width = orientation.size(*self._scaled(*shown))
        return self._placed(orientation.apply(self._pixels(frame, height, width)))

    def picture(self, array: Picture) -> Picture:
        """Return an upright picture (H', W', 3), or 4 with alpha, scaled and cut alike."""
        layout = "rgba" if array.shape[-1] == 4 else "rgb24"
        return self(VideoFrame.from_ndarray(np.ascontiguousarray(array), format=layout))

    def _pixels(self, frame: VideoFrame, height: int, width: int) -> Picture:
        """Return a frame as RGB or RGBA of a size, (H, W, C)."""
        if is_hdr(frame):
            deep = self._scaler.reformat(
                frame, height=height, width=width, format="rgb48le", threads=1
            )
            pixels = np.asarray(deep.to_ndarray(), np.uint16)
            return to_sdr(pixels, int(frame.color_trc), int(frame.color_primaries))
        if _has_alpha(frame):
            rgba = np.asarray(frame.reformat(format="rgba", threads=1).to_ndarray(), np.uint8)
            if int(rgba[..., 3].min()) < 255:
                return self._with_alpha(rgba, height, width)
        return self._resized(frame, height, width, "rgb24")

    def _with_alpha(self, rgba: Picture, height: int, width: int) -> Picture:
        """Scale without what hides behind alpha: it must not show at the edges."""
        if self._geometry.channels != 4:
            opaque = VideoFrame.from_ndarray(composite(rgba, self._geometry.background), "rgb24")
            return self._resized(opaque, height, width, "rgb24")
        rgba = rgba.copy()
        rgba[..., :3] = composite(rgba, BLACK)
        scaled = self._resized(VideoFrame.from_ndarray(rgba, "rgba"), height, width, "rgba")
        alpha = np.maximum(scaled[..., 3:], 1).astype(np.float32)
        colours = np.rint(scaled[..., :3] * (255 / alpha)).clip(0, 255).astype(np.uint8)
        return np.concatenate([colours, scaled[..., 3:]], axis=-1)

    def _resized(self, frame: VideoFrame, height: int, width: int, layout: str) -> Picture:
        scaled = self._scaler.reformat(frame, height=height, width=width, format=layout, threads=1)
        return np.asarray(scaled.to_ndarray(), np.uint8)

    def _scaled(self, height: int, width: int) -> tuple[int, int]:
        goal = self._geometry
        if goal.fit == "stretch":
            return goal.height, goal.width
        ratios = (goal.height / height, goal.width / width)
        if goal.fit == "crop":
            scale = max(ratios) if goal.place is None else max(1.0, *ratios)
            wide = round(width * scale) if goal.exact else 2 * round(width * scale / 2)
            return max(goal.height, round(height * scale)), max(goal.width, wide)
        scale = min(ratios)
        return (
            min(goal.height, max(1, round(height * scale))),
            min(goal.width, max(1, round(width * scale))),
        )

    def _placed(self, scaled: Picture) -> Picture:
        height, width = self._geometry.height, self._geometry.width
        tall, wide = scaled.shape[:2]
        scaled = _with_channels(scaled, self._geometry.channels)
        if self._geometry.fit == "pad":
            top, left = (height - tall) // 2, (width - wide) // 2
            canvas = np.empty((height, width, scaled.shape[-1]), np.uint8)
            canvas[:] = self._padding()
            canvas[top : top + tall, left : left + wide] = scaled
            return canvas
        down, right = self._geometry.place or (0.5, 0.5)
        top, left = int((tall - height) * down), int((wide - width) * right)
        return scaled[top : top + height, left : left + width]

    def _padding(self) -> Picture:
        colour = np.array([[[*self._geometry.background, 0]]], np.uint8)
        return _with_channels(
            colour if self._geometry.channels == 4 else colour[..., :3], self._geometry.channels
        )


def _has_alpha(frame: VideoFrame) -> bool:
    return frame.format.has_palette or any(part.is_alpha for part in frame.format.components)


def _with_channels(picture: Picture, channels: int) -> Picture:
    """Return RGB or RGBA pixels with as many channels as are wanted."""
    if channels == 1:  # luma as in BT.601 and Pillow, the nearest
        weights = np.array([299, 587, 114], np.uint32)
        return ((picture[..., :3] @ weights + 500) // 1000).astype(np.uint8)[..., None]
    if channels == 4 and picture.shape[-1] == 3:
        return np.concatenate([picture, np.full_like(picture[..., :1], 255)], axis=-1)
    return picture
