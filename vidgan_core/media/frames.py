"""The arrays that frames are."""

from __future__ import annotations

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

Picture = NDArray[np.uint8]  # (H, W, C): C is 1 for grey, 3 for RGB, 4 for RGB and alpha
Frames = NDArray[np.uint8]  # (T, H, W, C)

_LAYOUTS = {1: "gray", 3: "rgb24", 4: "rgba"}


def as_frame(picture: Picture) -> VideoFrame:
    """Return a picture as a frame of PyAV's."""
    channels = picture.shape[-1]
    array = np.ascontiguousarray(picture[..., 0] if channels == 1 else picture)
    return VideoFrame.from_ndarray(array, format=_LAYOUTS[channels])
