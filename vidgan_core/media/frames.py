"""The arrays that frames are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]  # (H, W, C): C is 1 for grey, 3 for RGB, 4 for RGB and alpha
Frames = NDArray[np.uint8]  # (T, H, W, C)
