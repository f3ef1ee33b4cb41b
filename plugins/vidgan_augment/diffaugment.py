"""DiffAugment, Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN Training".

Section 3 and the authors' code, with its constants: colour (brightness, saturation, contrast),
translation by up to an eighth of the frame, and cutout of a square half as wide as the frame. What
leaves the frame or is cut out becomes 0, which is grey. The draws of a clip hold for all its
frames, so that nothing moves that did not move before.
"""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import doc
from torch import Tensor

from vidgan_core.interfaces import Augment, Tensors

LARGEST_SHIFT = 0.125  # of the frame
CUTOUT = 0.5  # of the frame


class DiffAugment(Augment):
    """Each of the chosen operations in turn, on each clip with probability p."""

    def __init__(
        self,
        *,
        colour: Annotated[bool, doc("change brightness, saturation and contrast")] = True,
        translation: Annotated[bool, doc("move the frame by up to an eighth")] = True,
        cutout: Annotated[bool, doc("blank a square half as wide as the frame")] = True,
    ) -> None:
        super().__init__()
        self.colour = colour
        self.translation = translation
        self.cutout = cutout

    def forward(self, video: Tensor, p: Tensor) -> Tensor:
        """Return the changed clips; their range grows with colour."""
        return self._moved(self._coloured(video, p), p)

    def with_fields(self, video: Tensor, fields: Tensors, p: Tensor) -> tuple[Tensor, Tensors]:
        """Return the changed clips, and the pictures of their condition moved as they were.

        Clips of the video's channels change colour with it, as if all were one longer clip.
        """
        alike = [n for n, f in fields.items() if f.ndim == 5 and f.shape[1] == video.shape[1]]
        frames = [video.shape[2], *(fields[name].shape[2] for name in alike)]
        joined = torch.cat([video, *(fields[name].to(video) for name in alike)], 2)
        video, *same = torch.split(self._coloured(joined, p), frames, 2)
        pictures = {"": video, **dict(fields), **dict(zip(alike, same, strict=True))}
        # All frames and channels become those of one picture: draws hold for all of them.
        planes = [
            picture.reshape(len(video), -1, 1, *video.shape[3:]) for picture in pictures.values()
        ]
        moved = self._moved(torch.cat([plane.to(video) for plane in planes], 1), p)
        parts = torch.split(moved, [plane.shape[1] for plane in planes], 1)
        found = {
            name: part.reshape(picture.shape).to(picture.dtype)
            for (name, picture), part in zip(pictures.items(), parts, strict=True)
        }
        return found.pop(""), found

    def _coloured(self, video: Tensor, p: Tensor) -> Tensor:
        if self.colour:
            video = brightened(video, p)
            video = saturated(video, p)
            video = contrasted(video, p)
        return video

    def _moved(self, video: Tensor, p: Tensor) -> Tensor:
        if self.translation:
            video = translated(video, p)
        if self.cutout:
            video = cut(video, p)
        return video


def chosen(video: Tensor, p: Tensor) -> Tensor:
    """Choose each clip with probability p: (B, 1, 1, 1, 1) of 0 and 1."""
    return (uniform(video) < p).to(video.dtype)


def uniform(video: Tensor) -> Tensor:
    """Draw a number in [0, 1) for each clip: (B, 1, 1, 1, 1)."""
    return torch.rand(len(video), 1, 1, 1, 1, device=video.device, dtype=video.dtype)


def brightened(video: Tensor, p: Tensor) -> Tensor:
    """Add a number in [-0.5, 0.5)."""
    return video + chosen(video, p) * (uniform(video) - 0.5)


def saturated(video: Tensor, p: Tensor) -> Tensor:
    """Scale each pixel's distance from its grey by a factor in [0, 2)."""
    grey = video.mean(1, keepdim=True)
    # x + (s - 1) * (x - grey): exactly x where the factor s is one
    return video + chosen(video, p) * (2 * uniform(video) - 1) * (video - grey)


def contrasted(video: Tensor, p: Tensor) -> Tensor:
    """Scale the distance from the clip's mean by a factor in [0.5, 1.5)."""
    mean = video.mean((1, 2, 3, 4), keepdim=True)
    return video + chosen(video, p) * (uniform(video) - 0.5) * (video - mean)


def translated(video: Tensor, p: Tensor) -> Tensor:
    """Move by a whole number of pixels up to `LARGEST_SHIFT` of height and width.

    A product with shifted identity matrices moves exactly, leaves zeros behind, and has
    derivatives of every order.
    """
    height, width = video.shape[3:]
    moved = chosen(video, p)
    rows, columns = (
        shifts(length, moved * drawn_shift(video, length)) for length in (height, width)
    )
    # (B, 1, 1, H', H) @ (B, C, T, H, W) @ (B, 1, 1, W, W')
    return rows @ video @ columns.transpose(-1, -2)


def drawn_shift(video: Tensor, length: int) -> Tensor:
    """Draw a whole number of pixels for each clip, as likely in either direction."""
    largest = int(length * LARGEST_SHIFT + 0.5)
    return (uniform(video) * (2 * largest + 1)).floor() - largest


def shifts(length: int, by: Tensor) -> Tensor:
    """Return matrices (B, 1, 1, length, length) that move a column vector down by `by`."""
    place = torch.arange(length, device=by.device, dtype=by.dtype)
    return (place[:, None] - place == by).to(by.dtype)


def cut(video: Tensor, p: Tensor) -> Tensor:
    """Blank a box at a random place, parts of which may lie outside of the frame."""
    inside = chosen(video, p)
    for dim, length in ((3, video.shape[3]), (4, video.shape[4])):
        size = int(length * CUTOUT + 0.5)
        centre = (uniform(video) * (length + 1 - size % 2)).floor()
        place = torch.arange(length, device=video.device, dtype=video.dtype)
        place = place.view([-1 if d == dim else 1 for d in range(5)])
        first = centre - size // 2
        inside = inside * ((place >= first) & (place < first + size)).to(video.dtype)
    return video * (1 - inside)
