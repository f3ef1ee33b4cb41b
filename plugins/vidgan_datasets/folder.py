"""Your own videos: any folder of films, whatever their containers, sizes, rates and lengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import av
import numpy as np
from annotated_types import Ge, Gt, Lt, doc
from numpy.typing import NDArray

from vidgan_core.data.cache import cache_folder, digest
from vidgan_core.errors import ClipError, UsageError, printable
from vidgan_core.interfaces.dataset import Dataset, DataSpec, Field, Split
from vidgan_core.media.read import Fit, Geometry, Picture, words
from vidgan_datasets.folder_index import Record, counts, refresh
from vidgan_datasets.folder_walk import Layout, stamp_of
from vidgan_datasets.frame_cache import FrameCache
from vidgan_datasets.probe_limits import Limits
from vidgan_datasets.windows import Short, Windows


class Folder(Dataset):
    """Windows of T frames of every healthy film below a folder.

    A film is a video file, a folder of pictures in natural order, or a strip of square frames in
    one picture, told apart by content; `layout` settles what is ambiguous. Every window of every
    film is an item; a film is wholly in the train or the test split, by its content's hash.
    """

    def __init__(
        self,
        spec: DataSpec,
        split: Split,
        *,
        path: Annotated[str, doc("the folder, or one file")] = "",
        classes: Annotated[
            Literal["none", "folders"], doc("folders: each sub-folder of the root is a class")
        ] = "none",
        layout: Annotated[
            Layout, doc("what pictures are: frames of one film, or strips of frames; auto: look")
        ] = "auto",
        stride: Annotated[int, Ge(1), doc("take every k-th frame")] = 1,
        fps: Annotated[float, Ge(0), doc("bring films to this rate by their times; 0: don't")] = 0,
        hop: Annotated[int, Ge(1), doc("frames from one window's start to the next's")] = 1,
        short: Annotated[Short, doc("films shorter than a window: skip or lengthen")] = "skip",
        fit: Annotated[
            Fit, doc("crop the centre, pad with black, or stretch to the frame size")
        ] = "crop",
        flip: Annotated[bool, doc("mirror half of the clips, drawn anew each epoch")] = False,
        held_out: Annotated[float, Ge(0), Lt(1), doc("fraction of films in the test split")] = 0.1,
        cache_gb: Annotated[float, Ge(0), doc("decoded frames kept on disk; 0: none")] = 4.0,
        max_seconds: Annotated[float, Gt(0), doc("to look into one file")] = 120.0,
        max_gigabytes: Annotated[float, Gt(0), doc("of memory to look into one file")] = 2.0,
        max_megapixels: Annotated[float, Gt(0), doc("of a frame")] = 17.0,
        max_frames: Annotated[int, Ge(1), doc("of a film")] = 50_000,
    ) -> None:
        super().__init__(spec, split)
        if not path:
            raise UsageError("data.path: which folder?", hint="--data ./clips names one")
        if not Path(path).exists():
            raise UsageError(f"data.path: {printable(path)} does not exist")
        self.root = Path(path).resolve()
        self.layout = layout
        self.limits = Limits(max_seconds, max_gigabytes, max_megapixels, max_frames)
        self.windows = Windows(spec.frames, stride, fps, hop, short)
        self.flip, self.held_out, self.by_folder = flip, held_out, classes == "folders"
        self.geometry = Geometry(spec.height, spec.width, fit)
        self._cache = FrameCache(cache_gb)

    @property
    def fields(self) -> tuple[Field, ...]:  # type: ignore[override]
        """The class, if sub-folders are classes."""
        return (Field("class", classes=len(self.classes)),) if self.by_folder else ()

    @cached_property
    def records(self) -> list[Record]:
        """What is known of every file below the root; looks into what has changed."""
        return self._refresh()

    @cached_property
    def classes(self) -> list[str]:
        """The names of the classes, in both splits."""
        return sorted({_class_of(r) for r in self._healthy})

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the films' content and of every option that changes the clips."""
        films = [(r.name, r.sha256) for r in self._films]
        options = (asdict(self.windows), asdict(self.geometry), self.flip, self.by_folder)
        return digest(films, self.spec.shape, *options)

    @property
    def slow(self) -> bool:  # type: ignore[override]
        """Are there films beyond what the cache holds?"""
        return self._cached < len(self._films)

    @property
    def sources(self) -> int:
        """How many films the clips are from."""
        return len(self._films)

    def __len__(self) -> int:
        return int(self._ends[-1]) if self._films else self._refuse()

    def item(self, index: int) -> Mapping[str, Any]:
        """Return the window and, if sub-folders are classes, its class."""
        number, window = self._locate(index)
        record = self._films[number]
        try:
            self._refuse_changed(record)
            frames = self._frames(number, self.windows.numbers(window, record.frames, record.times))
        except (OSError, ValueError, IndexError, av.FFmpegError) as error:
            raise ClipError(record.name, f"can't be read any more: {words(error)}") from None
        # (T, H, W, C) -> (C, T, H, W)
        clip: dict[str, Any] = {"video": np.ascontiguousarray(frames.transpose(3, 0, 1, 2))}
        if self.by_folder:
            clip["class"] = np.int64(self.classes.index(_class_of(record)))
        return clip

    def span(self, index: int) -> tuple[int, int, int]:
        """Return the film's number and the window's first and last frame, at the wanted rate."""
        number, window = self._locate(index)
        return number, (first := window * self.windows.hop), first + self.windows.span - 1

    def augment(self, item: Mapping[str, Any], key: int) -> Mapping[str, Any]:
        """Mirror the whole clip or don't."""
        if not (self.flip and key & 1):
            return item
        return {**item, "video": np.ascontiguousarray(item["video"][..., ::-1])}

    def check(self, *, again: bool = False) -> Sequence[Mapping[str, Any]]:
        """Look into every new or changed file; return all records."""
        self.records = self._refresh(again=again)
        return [asdict(r) | {"files": r.files} for r in self.records]

    def summary(self) -> str:
        """Say how many files were found, and what became of them."""
        total = counts(self.records)
        parts = {
            "used": sum(r.files for r in self._films),
            "held out": sum(r.files for r in self._held_back),
            "too short": sum(r.files for r in self._healthy if not self._windows_of(r)),
            "without a class": total["ok"] - sum(r.files for r in self._healthy),
            "damaged": total["damaged"],
            "refused": total["refused"],
            "no film": total["other"],
        }
        said = ", ".join(f"{n} {what}" for what, n in parts.items() if n or what == "used")
        return f"{total.total()} file{'s' * (total.total() != 1)}: {said}"

    @cached_property
    def _healthy(self) -> list[Record]:
        """The films that can be read, and have a class if they need one."""
        return [
            r for r in self.records if r.status == "ok" and (not self.by_folder or _class_of(r))
        ]

    @cached_property
    def _split(self) -> tuple[list[Record], list[Record]]:
        """Films of the train and of the test split.

        By content, so that copies of a film are on one side and new films move no other. Where
        that leaves a side without any, the nearest film (with its copies) goes there.
        """
        films = [r for r in self._healthy if self._windows_of(r)]
        places = sorted({_place(r) for r in films})
        border = self.held_out if len(places) > 1 else 0.0  # a lone film is for training
        if border:
            border = min(max(border, float(np.nextafter(places[0], 1))), places[-1])
        test = [r for r in films if _place(r) < border]
        return [r for r in films if _place(r) >= border], test

    @property
    def _films(self) -> list[Record]:
        return self._split[self.split == "test"]

    @property
    def _held_back(self) -> list[Record]:
        return self._split[self.split == "train"]

    @cached_property
    def _ends(self) -> NDArray[np.int64]:
        """How many windows there are up to the end of each film."""
        return np.cumsum([self._windows_of(r) for r in self._films], dtype=np.int64)

    @cached_property
    def _cached(self) -> int:
        """How many films, the first ones, the cache has room for."""
        pixels = self.spec.height * self.spec.width * 3
        ends = np.cumsum([r.frames * pixels for r in self._films], dtype=np.int64)
        return int(np.searchsorted(ends, self._cache.bound, side="right"))

    def _locate(self, index: int) -> tuple[int, int]:
        number = int(np.searchsorted(self._ends, index, side="right"))
        return number, index - (int(self._ends[number - 1]) if number else 0)

    def _windows_of(self, record: Record) -> int:
        return self.windows.count(record.frames, record.times)

    def _frames(self, number: int, wanted: NDArray[np.int64]) -> Picture:
        """Return frames (T, H, W, 3) of a film, from the cache or else decoded."""
        record = self._films[number]
        film = record.film(self._base)
        if number < self._cached:
            shape = (record.frames, self.spec.height, self.spec.width, 3)
            key = digest(record.sha256, record.kind, asdict(self.geometry))
            kept = self._cache.get(key, shape, lambda: film.read(range(film.count), self.geometry))
            if kept is not None:
                return kept[wanted]
        numbers, places = np.unique(wanted, return_inverse=True)
        return np.stack(list(film.read(numbers.tolist(), self.geometry)))[places]

    def _refuse_changed(self, record: Record) -> None:
        """Raise ValueError if a film is not the one that was looked into."""
        names = record.pictures or [Path(record.name).name]
        folder = self._base / record.name
        if stamp_of(folder if record.pictures else folder.parent, names)[2] != record.stamp:
            raise ValueError("it has changed since it was checked")

    @cached_property
    def _base(self) -> Path:
        return self.root if self.root.is_dir() else self.root.parent

    def _refresh(self, *, again: bool = False) -> list[Record]:
        store = cache_folder() / "index" / f"{digest(str(self.root))[:32]}.jsonl"
        return refresh(self.root, store, self.layout, self.limits, again=again)

    def _refuse(self) -> int:
        """Raise UsageError: there is not one clip; say why of the first three files."""
        reasons = [f"{printable(r.name)}: {self._why_not(r)}" for r in self.records[:3]]
        where = printable(str(self.root))
        what = "; ".join(reasons) or "the folder is empty"
        more = f"; and {len(self.records) - 3} more" if len(self.records) > 3 else ""
        raise UsageError(
            f"no clip of {self.spec} for the {self.split} split in {where}: {what}{more}"
        )

    def _why_not(self, record: Record) -> str:
        if record.status != "ok":
            return record.reason
        if record not in self._healthy:
            return "not in a sub-folder, so without a class"
        length = self.windows.length(record.frames, record.times)
        if not self._windows_of(record):
            return f"has {length} of the {self.windows.span} frames of a window"
        return "in the other split"


def _class_of(record: Record) -> str:
    """Return the name of the top folder that a film is in, nothing for one in the root itself."""
    return record.name.partition("/")[0] if "/" in record.name else ""


def _place(record: Record) -> float:
    """Return where in [0, 1) the content of a film puts it."""
    return int(record.sha256[:12], 16) / 16**12
