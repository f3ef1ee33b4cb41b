"""Everything that metrics need of some clips, in one pass over them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from vidgan_core.data import cache
from vidgan_core.data.cache import digest
from vidgan_core.errors import VidganError
from vidgan_core.interfaces import ClipSet, Features, Tensors
from vidgan_core.media.pixels import to_float
from vidgan_evaluation.clip_source import Clips

Watch = Callable[[str, int, int], None]  # what is going on, how much is done, of how much


def unwatched(what: str, done: int, total: int) -> None:
    """Watch nothing."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be collected: features by a name, and whether the pixels themselves are needed.

    Those in `frame_features` are built for clips of one frame, and given each frame as one.
    """

    features: Mapping[str, Features] = field(default_factory=dict)
    frame_features: Mapping[str, Features] = field(default_factory=dict)
    video: bool = False

    def all(self) -> Mapping[tuple[str, bool], Features]:
        """Return all features, by name and by whether they look at single frames."""
        whole = {(name, False): f for name, f in self.features.items()}
        return whole | {(name, True): f for name, f in self.frame_features.items()}


@dataclass(frozen=True, slots=True)
class ClipStatistics:
    """What was collected of `n` clips."""

    n: int
    shape: tuple[int, int, int, int]
    vectors: Mapping[tuple[str, bool], Tensor]  # (N, D), or (N, T, D) of single frames; float32
    condition: Tensors
    video: Tensor | None = None
    group: Tensor | None = None  # (N,) which clips are from one video or scene

    def rows(self, rows: Sequence[int]) -> ClipStatistics:
        """Return the vectors of some of the clips."""
        places = torch.tensor(rows)
        vectors = {key: tensor[places] for key, tensor in self.vectors.items()}
        condition = {key: tensor[places] for key, tensor in self.condition.items()}
        group = None if self.group is None else self.group[places]
        return ClipStatistics(len(rows), self.shape, vectors, condition, group=group)

    def clip_set(self, features: str = "", *, video: bool = False, frames: bool = False) -> ClipSet:
        """Return what a metric gets that is measured on the named features."""
        vectors = self.vectors.get((features, False))
        return ClipSet(
            self.video if video and self.video is not None else self._shape_alone(),
            None if vectors is None else vectors.double(),
            self.vectors.get((features, True)) if frames else None,
            self.condition,
            self.group,
        )

    def _shape_alone(self) -> Tensor:
        return torch.empty((self.n, *self.shape), dtype=torch.uint8, device="meta")


@torch.inference_mode()
def collect(
    clips: Clips, wanted: Wanted, device: torch.device, watch: Watch = unwatched
) -> ClipStatistics:
    """Go through the clips once, unless all that is wanted of them is kept in the cache.

    Raises VidganError if a vector is not finite.
    """
    features = wanted.all()
    group = torch.tensor(clips.groups) if clips.groups else None
    keys = {name: _key(clips, name, f, device) for name, f in features.items() if clips.key}
    kept = {name: array for name, key in keys.items() if (array := cache.recall(key)) is not None}
    labels = _labels(clips) if clips.key else None
    if labels is not None and kept.keys() == features.keys() and not wanted.video:
        watch(f"{clips.what} clips, kept from before", clips.n, clips.n)
        return ClipStatistics(clips.n, clips.spec.shape, _tensors(kept), labels, group=group)
    missing = {name: f for name, f in features.items() if name not in kept}
    computed, condition, video = _go_through(clips, missing, wanted.video, device, watch)
    if clips.key:
        for name, tensor in computed.items():
            cache.keep(keys[name], tensor.numpy())
        _keep_labels(clips, condition)
    vectors = {**_tensors(kept), **computed}
    return ClipStatistics(clips.n, clips.spec.shape, vectors, condition, video, group)


def _go_through(
    clips: Clips,
    features: Mapping[tuple[str, bool], Features],
    keep_video: bool,
    device: torch.device,
    watch: Watch,
) -> tuple[dict[tuple[str, bool], Tensor], Tensors, Tensor | None]:
    rows: dict[tuple[str, bool], list[Tensor]] = {name: [] for name in features}
    labels: list[Tensors] = []
    video = torch.empty((clips.n, *clips.spec.shape), dtype=torch.uint8) if keep_video else None
    done = 0
    watch(f"{clips.what} clips", done, clips.n)
    for pixels, condition in clips.chunks():
        clip = to_float(pixels.to(device)) if features else None
        for (name, of_frames), network in features.items():
            assert clip is not None
            part = _per_frame(network, clip) if of_frames else network(clip)
            if not torch.isfinite(part).all():
                raise VidganError(f"the features {name!r} of {clips.what} clips are not finite")
            rows[name, of_frames].append(part.float().cpu())
        if video is not None:
            video[done : done + len(pixels)] = pixels
        # Clips and maps, (b, T, H, W) at the least, no metric asks for: they would fill the memory.
        labels.append({name: rows for name, rows in condition.items() if rows.ndim < 4})
        done += len(pixels)
        watch(f"{clips.what} clips", done, clips.n)
    condition = {name: torch.cat([part[name] for part in labels]) for name in labels[0]}
    return {name: torch.cat(parts) for name, parts in rows.items()}, condition, video


def _per_frame(network: Features, clip: Tensor) -> Tensor:
    """Look at each frame as a clip of one."""
    count, channels, frames, height, width = clip.shape
    # (B, C, T, H, W) -> (B*T, C, 1, H, W)
    single = clip.transpose(1, 2).reshape(count * frames, channels, 1, height, width)
    return network(single).reshape(count, frames, -1)


def _key(clips: Clips, name: tuple[str, bool], features: Features, device: torch.device) -> str:
    return digest("features", clips.key, name, features.fingerprint, device.type)


def _labels(clips: Clips) -> Tensors | None:
    """Return the kept condition of clips, if it is kept: the names first, then each field."""
    names = cache.recall(digest("labels", clips.key))
    if names is None:
        return None
    arrays = {str(name): cache.recall(digest("labels", clips.key, str(name))) for name in names}
    if any(array is None for array in arrays.values()):
        return None
    return {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}


def _keep_labels(clips: Clips, condition: Tensors) -> None:
    for name, tensor in condition.items():
        cache.keep(digest("labels", clips.key, name), tensor.numpy())
    cache.keep(digest("labels", clips.key), np.array(sorted(condition), dtype=np.str_))


def _tensors(
    arrays: Mapping[tuple[str, bool], np.ndarray[tuple[int, ...], np.dtype[np.float32]]],
) -> dict[tuple[str, bool], Tensor]:
    return {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
