"""A discriminator: maps a video to scores."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, doc
from torch import Tensor, nn

from vidgan_core.errors import ShapeError
from vidgan_core.interfaces import DataSpec, Discriminator, Tensors, Verdict

SMALLEST = 8  # pixels: three halvings leave one


class HelloDiscriminator(Discriminator):
    """C -> width -> 2*width -> 4*width -> scores (B, 1, T, H/8, W/8), one a patch.

    There is no sigmoid at the end: the loss defines what a score means.
    """

    def __init__(
        self,
        spec: DataSpec,
        *,
        width: Annotated[int, Ge(1), doc("channels next to the pixels")] = 16,
    ) -> None:
        super().__init__(spec)
        if min(spec.height, spec.width) < SMALLEST:
            raise ShapeError(f"can't read {spec}: height and width must be at least {SMALLEST}")
        self.layers = nn.Sequential(
            *halved(spec.channels, width),
            *halved(width, 2 * width),
            *halved(2 * width, 4 * width),
            nn.Conv3d(4 * width, 1, 1),
        )

    def forward(self, video: Tensor, condition: Tensors) -> Verdict:
        """Score every patch of the clips (B, C, T, H, W)."""
        return Verdict((self.layers(video),))


def halved(outer: int, inner: int) -> list[nn.Module]:
    """Halve height and width; the number of frames stays."""
    return [nn.Conv3d(outer, inner, (3, 4, 4), (1, 2, 2), 1), nn.LeakyReLU(0.2)]
