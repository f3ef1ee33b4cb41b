"""Your own videos: any folder of them, whatever their containers, sizes, rates and lengths."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from typing import Annotated, Any, Literal

import av
import numpy as np
from annotated_types import Ge, Gt, Le, Lt, doc
from numpy.typing import NDArray
from PIL import ImageColor

from vidgan_core.data.cache import cache_folder, digest
from vidgan_core.data.words import tokens, vocabulary
from vidgan_core.errors import ClipError, UsageError, printable
from vidgan_core.interfaces.dataset import Dataset, DataSpec, Field, Split
from vidgan_core.media.fit import Fit, Geometry
from vidgan_core.media.frames import Frames
from vidgan_core.media.open import reason
from vidgan_core.media.video_source import DECODER
from vidgan_datasets.balance import Balance, shares, window_of
from vidgan_datasets.folder_changes import refuse_changed
from vidgan_datasets.folder_index import counts, refresh
from vidgan_datasets.folder_record import Record
from vidgan_datasets.folder_report import counted, first_reasons, honoured, too_short
from vidgan_datasets.folder_roots import roots
from vidgan_datasets.folder_split import Classes, Parts, by_content, by_lists, class_of
from vidgan_datasets.frame_cache import FrameCache
from vidgan_datasets.native_crops import Place, cut, native_size
from vidgan_datasets.picture_kind import Layout
from vidgan_datasets.probe_limits import Limits
from vidgan_datasets.sequences import natural
from vidgan_datasets.windows import Short, Timeline, Windows

LONG = 2000  # frames that a first step does not wait for


class Folder(Dataset):
    """Windows of T frames of every healthy video below a folder.

    A video is a video file, a folder of pictures in natural order, or a strip of square frames in
    one picture, told apart by content; `layout` settles what is ambiguous. Every window of every
    video is an item; a video is wholly in the train or the test split, by its content's hash.
    """

    def __init__(
        self,
        spec: DataSpec,
        split: Split,
        *,
        path: Annotated[str, doc("the folder, a file, or shards-{000..099}.tar")] = "",
        classes: Annotated[
            Classes, doc("folders: each sub-folder is one; files: as name.cls tells")
        ] = "none",
        only: Annotated[tuple[str, ...], doc("use these classes, or sub-folders, alone")] = (),
        captions: Annotated[bool, doc("name.txt is the caption of name.mp4, a field of words")] = (
            False
        ),
        caption_words: Annotated[int, Ge(1), Le(1024), doc("of a caption, the first ones")] = 16,
        vocabulary: Annotated[int, Ge(1), Le(65_536), doc("words with a number of their own")] = (
            4096
        ),
        layout: Annotated[
            Layout, doc("what pictures are: frames of one video, or strips of frames; auto: look")
        ] = "auto",
        stride: Annotated[int, Ge(1), Le(100_000), doc("take every k-th frame")] = 1,
        fps: Annotated[
            float, Ge(0), Le(1000), doc("bring videos to this rate by their times; 0: don't")
        ] = 0,
        hop: Annotated[int, Ge(1), doc("frames from one window's start to the next's")] = 1,
        short: Annotated[Short, doc("videos shorter than a window: skip or lengthen")] = "skip",
        cuts: Annotated[
            Literal["drop", "keep"], doc("drop: no clip reaches over a scene cut")
        ] = "drop",
        balance: Annotated[
            Balance, doc("let every video, or every class, come equally often; none: every window")
        ] = "none",
        fit: Annotated[
            Fit, doc("crop the centre, pad with the background, or stretch to the frame size")
        ] = "crop",
        crop: Annotated[
            Literal["centre", "random"],
            doc("random: cut anywhere, at the resolution that the video has"),
        ] = "centre",
        places: Annotated[
            int, Ge(1), Le(10_000), doc("of data.crop=random, at which each window is cut")
        ] = 8,
        background: Annotated[str, doc("what shows behind alpha and around padding")] = "black",
        flip: Annotated[bool, doc("mirror half of the clips, drawn anew each epoch")] = False,
        held_out: Annotated[float, Ge(0), Lt(1), doc("fraction of videos in the test split")] = 0.1,
        train_list: Annotated[str, doc("a file that names the training videos, one a line")] = "",
        test_list: Annotated[str, doc("a file that names the test videos, one a line")] = "",
        follow_links: Annotated[bool, doc("read what links lead to, outside the folder too")] = (
            False
        ),
        cache_gb: Annotated[float, Ge(0), doc("decoded frames kept on disk; 0: none")] = 4.0,
        max_seconds: Annotated[float, Gt(0), doc("without progress on one file")] = 120.0,
        max_gigabytes: Annotated[float, Gt(0), doc("of memory to look into one file")] = 2.0,
        max_megapixels: Annotated[float, Gt(0), doc("of a frame")] = 17.0,
        max_frames: Annotated[int, Ge(1), doc("of a video")] = 1_000_000,
    ) -> None:
        super().__init__(spec, split)
        if not path:
            raise UsageError("data.path: which folder?", hint="--data ./clips names one")
        self.root, self.names = roots(path)
        self.layout, self.follow = layout, follow_links
        self.limits = Limits(max_seconds, max_gigabytes, max_megapixels, max_frames)
        self.windows = Windows(spec.frames, stride, fps, hop, short)
        self.only, self.classes = only, classes
        self.captions = (caption_words, vocabulary) if captions else None
        self.drop_cuts, self.balance = cuts == "drop", balance
        self.flip, self.held_out, self.lists = flip, held_out, (train_list, test_list)
        self.geometry = Geometry(spec.height, spec.width, fit, spec.channels, _colour(background))
        self.anywhere = crop == "random"
        if self.anywhere:  # pixels as they are
            self.geometry = replace(self.geometry, exact=True)
        if self.anywhere and fit != "crop":
            raise UsageError("data.crop: 'random' goes with data.fit='crop'")
        self.places = places if self.anywhere else 1
        self._cache = FrameCache(cache_gb)

    @property
    def fields(self) -> tuple[Field, ...]:  # type: ignore[override]
        """The class and the caption, as far as they are asked for."""
        return self._fields

    @cached_property
    def _fields(self) -> tuple[Field, ...]:
        names = tuple(self.class_names)
        found = [Field("class", classes=len(names), names=names)] if self.has_classes else []
        if self.captions:
            length, most = self.captions
            known = vocabulary((r.caption for r in self._split[0]), most)
            found.append(Field("caption", "tokens", (length,), len(known), known))
        return tuple(found)

    @property
    def has_classes(self) -> bool:
        """Is each clip of a class?"""
        return self.classes != "none"

    @cached_property
    def records(self) -> list[Record]:
        """What is known of every file below the root; looks into what has changed."""
        return self._refresh()

    @cached_property
    def class_names(self) -> list[str]:
        """The names of the classes, in both splits."""
        names = {self._class_of(r) for r in self._healthy} if self.has_classes else set()
        return sorted(names, key=natural if self.classes == "files" else None)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the videos' content and of every option that changes the clips."""
        videos = [(r.plain_name, r.sha256) for r in self._videos]
        options = (asdict(self.windows), asdict(self.geometry), self.flip, self.has_classes)
        more: list[object] = [self.drop_cuts, self.balance, self.anywhere, self.places]
        if self.classes == "files":
            more.append([r.label for r in self._videos])
        if self.captions:
            more.append((self.captions, [r.caption for r in self._videos]))
        return digest(videos, self.spec.shape, *options, *more)

    @property
    def slow(self) -> bool:  # type: ignore[override]
        """Are there videos beyond what the cache holds?"""
        return self._cached < len(self._videos)

    @property
    def sources(self) -> int:
        """How many videos the clips are from."""
        return len(self._videos)

    def __len__(self) -> int:
        return int(self._ends[-1]) if self._videos else self._refuse()

    def item(self, index: int) -> Mapping[str, Any]:
        """Return the window, and its class and caption as far as they are asked for."""
        number, window = self._locate(index)
        record = self._videos[number]
        try:
            wanted = self.windows.numbers(window, self._timeline(record))
            refuse_changed(self.root, record, wanted, follow=self.follow)
            frames = self._frames(number, wanted, index)
        except (OSError, ValueError, IndexError, av.FFmpegError) as error:
            raise ClipError(record.name, f"can't be read any more: {reason(error)}") from None
        # (T, H, W, C) -> (C, T, H, W)
        clip: dict[str, Any] = {"video": np.ascontiguousarray(frames.transpose(3, 0, 1, 2))}
        if self.has_classes:
            clip["class"] = np.int64(self.class_names.index(self._class_of(record)))
        if self.captions:
            clip["caption"] = tokens(record.caption, self._fields[-1])
        return clip

    def span(self, index: int) -> tuple[int, int, int]:
        """Return the video's number and the window's first and last frame, at the wanted rate."""
        number, window = self._locate(index)
        first = self.windows.start(window, self._timeline(self._videos[number]))
        return number, first, first + self.windows.span - 1

    def augment(self, item: Mapping[str, Any], key: int) -> Mapping[str, Any]:
        """Mirror the whole clip or don't."""
        if not (self.flip and key & 1):
            return item
        return {**item, "video": np.ascontiguousarray(item["video"][..., ::-1])}

    def check(self, *, again: bool = False) -> Sequence[Mapping[str, Any]]:
        """Look into every new or changed file; return all records."""
        self.records = self._refresh(again=again)
        return [
            asdict(r) | {"files": r.files, "size": r.size, "mtime": r.mtime} for r in self.records
        ]

    def summary(self) -> str:
        """Say how many files were found, what became of them, and what they needed."""
        total = counts(self.records)
        parts = {
            "used": sum(r.files for r in self._videos),
            "held out": sum(r.files for r in self._held_back),
            "too short": sum(r.files for r in self._healthy if not self._windows_of(r)),
            "in no list": sum(r.files for r in self._usable) - sum(map(_files, self._split)),
            "not chosen": total["ok"] - sum(r.files for r in self._healthy),
            "damaged": total["damaged"],
            "refused": total["refused"],
            "no video": total["other"],
        }
        return counted(parts, total.total()) + honoured([*self._videos, *self._held_back])

    @cached_property
    def _healthy(self) -> list[Record]:
        """The videos that can be read, and are in a sub-folder that is asked for, if any is."""
        return [r for r in self.records if r.status == "ok" and self._is_chosen(r)]

    def _is_chosen(self, record: Record) -> bool:
        name = self._class_of(record)
        return name in self.only if self.only else bool(name) or not self.has_classes

    def _class_of(self, record: Record) -> str:
        return class_of(record, "files" if self.classes == "files" else "folders")

    @property
    def _usable(self) -> list[Record]:
        return [r for r in self._healthy if self._windows_of(r)]

    @cached_property
    def _split(self) -> Parts:
        """Videos of the train and of the test split."""
        if any(self.lists):
            return by_lists(self._usable, *self.lists)
        return by_content(self._usable, self.held_out)

    @property
    def _videos(self) -> list[Record]:
        return self._split[self.split == "test"]

    @property
    def _held_back(self) -> list[Record]:
        return self._split[self.split == "train"]

    @cached_property
    def _shares(self) -> NDArray[np.int64]:
        """How many items are from each video."""
        windows = [self._windows_of(r) * self.places for r in self._videos]
        return shares(windows, [self._class_of(r) for r in self._videos], self.balance)

    @cached_property
    def _ends(self) -> NDArray[np.int64]:
        """How many items there are up to the end of each video."""
        return np.cumsum(self._shares, dtype=np.int64)

    @cached_property
    def _cached(self) -> int:
        """How many videos, the first ones, the cache has room for."""
        sizes = [math.prod(self._kept_shape(r)) for r in self._videos]
        ends = np.cumsum(sizes, dtype=np.int64)
        return int(np.searchsorted(ends, self._cache.bound, side="right"))

    def _locate(self, index: int) -> tuple[int, int]:
        """Return which video and which of its windows an item is."""
        number = int(np.searchsorted(self._ends, index, side="right"))
        slot = index - (int(self._ends[number - 1]) if number else 0)
        windows = self._windows_of(self._videos[number])
        return number, window_of(slot, int(self._shares[number]), windows)

    def _timeline(self, record: Record) -> Timeline:
        cuts = record.cuts if self.drop_cuts else ()
        breaks = tuple(sorted({*record.gaps, *cuts})) if record.gaps else cuts
        return Timeline(record.frames, record.times, breaks)

    def _windows_of(self, record: Record) -> int:
        return self.windows.count(self._timeline(record))

    def _place(self, record: Record, index: int) -> Place | None:
        """Return where the frames of an item are cut, which depends on it alone."""
        if not self.anywhere:
            return None
        drawn = int(digest(record.sha256, index)[:16], 16)
        return drawn % 2**32 / 2**32, (drawn >> 32) / 2**32

    def _kept_shape(self, record: Record) -> tuple[int, int, int, int]:
        """Return the shape of the kept frames of a video: whole ones, to be cut anywhere."""
        height, width = self.spec.height, self.spec.width
        if self.anywhere:
            height, width = native_size(record.height, record.width, height, width)
        return record.frames, height, width, self.spec.channels

    def _frames(self, number: int, wanted: NDArray[np.int64], index: int) -> Frames:
        """Return frames (T, H, W, C) of a video, from the cache or else decoded."""
        record = self._videos[number]
        source, place = record.source(self.root), self._place(record, index)
        if number < self._cached:
            shape = self._kept_shape(record)
            geometry = replace(self.geometry, height=shape[1], width=shape[2])
            settings = (DECODER, record.kind, record.interlaced, record.depth, asdict(geometry))
            key = digest(record.sha256, *settings)
            kept = self._cache.get(
                key,
                shape,
                lambda: source.read(range(source.count), geometry),
                # Clips of a long video are sought out one by one until all of it is decoded.
                wait=record.frames < LONG or not source.is_seekable,
            )
            if kept is not None:
                return cut(kept, wanted, self.spec.height, self.spec.width, place)
        numbers, places = np.unique(wanted, return_inverse=True)
        geometry = replace(self.geometry, place=place)
        return np.stack(list(source.read(numbers.tolist(), geometry)))[places]

    def _refresh(self, *, again: bool = False) -> list[Record]:
        key = digest(str(self.root), *self.names)
        store = cache_folder() / "index" / f"{key[:32]}.jsonl"
        return refresh(
            self.root,
            store,
            self.layout,
            self.limits,
            names=self.names,
            follow=self.follow,
            again=again,
        )

    def _refuse(self) -> int:
        """Raise UsageError: there is not one clip; say why of the first three files."""
        found = [(r.name, self._why_not(r)) for r in self.records[:3]]
        path = printable(str(self.root / self.names[0] if len(self.names) == 1 else self.root))
        where = f"no clip of {self.spec} for the {self.split} split in {path}"
        lone = self.split == "test" and self._split[0]
        hint = "--split train measures with training clips; to hold some out takes two videos"
        raise UsageError(
            f"{where}: {first_reasons(found, len(self.records))}", hint=hint * bool(lone)
        )

    def _why_not(self, record: Record) -> str:
        if record.status != "ok":
            return record.reason
        if record not in self._healthy:
            where = (
                "not in a sub-folder" if self.classes == "folders" else "nothing tells its class"
            )
            return "not in data.only" if self.only else f"{where}, so without a class"
        if not self._windows_of(record):
            return too_short(self.windows, self._timeline(record))
        return "in the other split"


def _colour(name: str) -> tuple[int, int, int]:
    """Return a colour's red, green and blue. Raises UsageError for an unknown one."""
    try:
        red, green, blue, *_ = ImageColor.getrgb(name)
    except ValueError:
        raise UsageError(
            f"data.background: {printable(name)} is no colour", hint="'white' or '#rrggbb'"
        ) from None
    return red, green, blue


def _files(videos: Sequence[Record]) -> int:
    return sum(r.files for r in videos)
