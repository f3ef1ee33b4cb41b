"""What is done to real clips to find which metrics notice, at several strengths."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from vidgan_core.interfaces import Degradation

LONGER = 2  # a clip that is played faster needs so many times its frames

Name = Degradation | Literal["reversed"]
Damage = Callable[[Tensor, float, torch.Generator, int], Tensor]


@dataclass(frozen=True, slots=True)
class DegradationSeries:
    """A degradation, its strengths from weak to strong, and what they mean."""

    name: Name
    strengths: tuple[float, ...]
    meaning: str


DEGRADATIONS: Sequence[DegradationSeries] = (
    DegradationSeries("noise", (8, 16, 32), "standard deviation in grey levels"),
    DegradationSeries("blur", (0.5, 1, 2), "standard deviation in pixels"),
    DegradationSeries("jpeg", (50, 20, 5), "quality"),
    DegradationSeries("colour", (10, 20, 40), "grey levels from blue to red"),
    DegradationSeries("frozen", (0.25, 0.5, 1), "fraction of frames that repeat the one before"),
    DegradationSeries("shuffled", (0.25, 0.5, 1), "length of a shuffled part, of the clip's"),
    DegradationSeries("speed", (1.25, 1.5, 2), "times the real one"),
    DegradationSeries("classes", (0.25, 0.5), "fraction of the classes that is missing"),
    DegradationSeries("duplicates", (4, 16, 64), "times that a clip is there"),
    DegradationSeries("reversed", (1,), "time runs backwards: the control"),
    DegradationSeries("copies", (0.25, 0.5, 1), "fraction that is copied from the training clips"),
)


def noise(clips: Tensor, strength: float, rng: torch.Generator, frames: int) -> Tensor:
    """Add white noise."""
    drawn = torch.randn(clips[:, :, :frames].shape, generator=rng)
    return _pixels(clips[:, :, :frames] + strength * drawn)


def blur(clips: Tensor, strength: float, rng: torch.Generator, frames: int) -> Tensor:
    """Convolve each frame with a Gaussian."""
    radius = math.ceil(3 * strength)
    weights = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / strength) ** 2)
    weights /= weights.sum()
    video = clips[:, :, :frames].float()
    planes = video.flatten(0, 2).unsqueeze(1)  # (B, C, T, H, W) -> (B*C*T, 1, H, W)
    planes = F.pad(planes, [radius] * 4, mode="replicate")
    planes = F.conv2d(F.conv2d(planes, weights[None, None, None]), weights[None, None, :, None])
    return _pixels(planes.view_as(video))


def jpeg(clips: Tensor, strength: float, rng: torch.Generator, frames: int) -> Tensor:
    """Write each frame as JPEG of this quality and read it again."""

    def through(frame: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Tensor:
        file = io.BytesIO()
        grey = frame.shape[-1] == 1
        Image.fromarray(frame[..., 0] if grey else frame).save(file, "JPEG", quality=int(strength))
        read = torch.from_numpy(np.array(Image.open(file)))
        return read[..., None] if grey else read

    # (B, C, T, H, W) -> (B, T, H, W, C) and back
    videos = clips[:, :, :frames].permute(0, 2, 3, 4, 1).numpy()
    read = torch.stack([torch.stack([through(frame) for frame in video]) for video in videos])
    return read.permute(0, 4, 1, 2, 3)


def colour(clips: Tensor, strength: float, rng: torch.Generator, frames: int) -> Tensor:
    """Move the first channel up and the last one down; a lone one up."""
    shift = torch.linspace(strength, -strength, clips.shape[1])
    return _pixels(clips[:, :, :frames] + shift[:, None, None, None])


def frozen(clips: Tensor, strength: float, rng: torch.Generator, frames: int) -> Tensor:
    """Let the last frames stand still."""
    moving = max(1, round(frames * (1 - strength)))
    return clips[:, :, torch.arange(frames).clamp(max=moving - 1)]


def shuffled(clips: Tensor, strength: float, rng: torch.Generator, frames: int) -> Tensor:
    """Put the frames of each part of a clip into random order."""
    length = max(2, round(frames * strength))

    def order() -> Tensor:
        parts = torch.split(torch.arange(frames), length)
        return torch.cat([part[torch.randperm(len(part), generator=rng)] for part in parts])

    return torch.stack([clip[:, order()] for clip in clips])


def speed(clips: Tensor, strength: float, rng: torch.Generator, frames: int) -> Tensor:
    """Play faster: the nearest earlier frame of each moment."""
    return clips[:, :, (torch.arange(frames) * strength).long()]


def reversed_(clips: Tensor, strength: float, rng: torch.Generator, frames: int) -> Tensor:
    """Play backwards."""
    return clips[:, :, :frames].flip(2)


# On clips (b, C, LONGER * T, H, W) uint8 -> (b, C, T, H, W). The other ones are a matter of
# which clips are there.
DAMAGES: Mapping[Name, Damage] = {
    "noise": noise,
    "blur": blur,
    "jpeg": jpeg,
    "colour": colour,
    "frozen": frozen,
    "shuffled": shuffled,
    "speed": speed,
    "reversed": reversed_,
}


def _pixels(values: Tensor) -> Tensor:
    return values.round().clamp(0, 255).to(torch.uint8)
