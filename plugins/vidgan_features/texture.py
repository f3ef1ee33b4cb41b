"""Colours and fine detail: what noise, blur, compression and upsampling leave their traces in."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from vidgan_core.data.cache import digest
from vidgan_core.errors import ShapeError
from vidgan_core.interfaces import DataSpec, Degradation, Features

SMALLEST = 16  # pixels a side: two blocks of JPEG, four of the coarsest octave
OCTAVES = 3
BLOCK = 8  # of JPEG
FAINT = 1e-3  # added to contrasts in [0, 1] before their logarithm
COLOUR = 5.0  # weight of colours in [0, 1]: they differ less than the logarithms of contrast do


class Texture(Features):
    """(B, C, T, H, W) -> (B, 2 C + 4): how bright, how coloured, how sharp, how blocky.

    Over all pixels of a clip, its brightness y being the mean of its channels:

    - the mean of y; the mean and the standard deviation of each channel less y;
    - the logarithm of the mean |value| of each octave of a Laplacian pyramid of y (Burt & Adelson
      1983) against the next coarser one: natural pictures fall off alike (Field 1987), generated
      ones often do not (Durall et al. 2020);
    - the logarithm of the steps of y across the edges of 8x8 blocks against all steps.

    Sensitive to noise, blur, JPEG and colours, hardly to what is shown, and not to motion. Frames
    are taken at their size: numbers of different sizes can't be compared. Raises ShapeError for
    frames below 16x16.
    """

    sensitive_to: ClassVar[frozenset[Degradation]] = frozenset({"noise", "blur", "jpeg", "colour"})

    def __init__(self, spec: DataSpec) -> None:
        super().__init__(spec)
        if min(spec.height, spec.width) < SMALLEST:
            raise ShapeError(f"can't look at {spec}: height and width must be at least {SMALLEST}")

    @property
    def fingerprint(self) -> str:
        """A hash of the version."""
        return digest("texture", 1)

    @torch.no_grad()
    def forward(self, video: Tensor) -> Tensor:
        """Map clips in [-1, 1] to vectors."""
        pixels = (video + 1) / 2
        grey = pixels.mean(1)  # (B, T, H, W)
        colours = (pixels - grey[:, None]).flatten(2)
        octaves = torch.stack(contrasts(grey), dim=1).add(FAINT).log()
        parts = (
            COLOUR * grey.mean((1, 2, 3))[:, None],
            COLOUR * colours.mean(2),
            COLOUR * colours.std(2),
            octaves.diff(dim=1),
            blockiness(grey)[:, None],
        )
        return torch.cat(parts, dim=1)


def contrasts(grey: Tensor) -> list[Tensor]:
    """Return the mean |value| (B,) of each octave of brightness (B, T, H, W), the finest first."""
    found: list[Tensor] = []
    for _ in range(OCTAVES):
        coarser = avg_pool2d(grey, 2)
        smooth = interpolate(coarser, grey.shape[-2:], mode="bilinear")
        found.append((grey - smooth).abs().mean((1, 2, 3)))
        grey = coarser
    return found


def blockiness(grey: Tensor) -> Tensor:
    """Return the logarithm (B,) of steps across the edges of blocks against all steps."""
    down, right = grey.diff(dim=2).abs(), grey.diff(dim=3).abs()
    edges = down[:, :, BLOCK - 1 :: BLOCK].mean((1, 2, 3)) + right[..., BLOCK - 1 :: BLOCK].mean(
        (1, 2, 3)
    )
    steps = down.mean((1, 2, 3)) + right.mean((1, 2, 3))
    return (edges + FAINT).log() - (steps + FAINT).log()
