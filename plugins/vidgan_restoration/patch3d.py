"""A critic of patches in space and time.

Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks", section 3.2.2
(PatchGAN), on clips: each 4x4 convolution of stride 2 within frames is followed by one of 3 frames
along time, Tran et al. 2018, section 3.5: "(2+1)D".

Differs from the paper, which judges images: convolutions along time, no BatchNorm, width 24 by
default (64 there).
"""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Le, doc
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from vidgan_core.errors import ShapeError
from vidgan_core.interfaces import DataSpec, Discriminator, Tensors, Verdict
from vidgan_core.nn.conditioning import VECTORS, Projection

SLOPE = 0.2


class PatchDiscriminator(Discriminator):
    """(B, C, T, H, W) -> scores (B, 1, T, H / 2^layers, W / 2^layers), one a patch.

    A score of 3 layers depends on 38 pixels a side and 7 frames. There is no normalisation: use
    `spectral_norm`, or a gradient penalty. Features are the activations after each layer.
    """

    takes = VECTORS
    gives = frozenset({"features"})

    def __init__(
        self,
        spec: DataSpec,
        *,
        width: Annotated[int, Ge(1), doc("channels of the first layer, doubled at each")] = 24,
        layers: Annotated[int, Ge(1), Le(6), doc("halvings of height and width")] = 3,
    ) -> None:
        super().__init__(spec)
        least = 2**layers
        if min(spec.height, spec.width) < least:
            raise ShapeError(f"can't do {spec}: height and width must be at least {least}")
        sizes = [spec.channels, *(width * 2**n for n in range(layers))]
        self.layers = nn.ModuleList(map(FrameThenTime, sizes[:-1], sizes[1:]))
        self.scores = nn.Conv3d(sizes[-1], 1, (1, 3, 3), padding=(0, 1, 1))
        self.projection = Projection(spec, sizes[-1])

    def forward(self, video: Tensor, condition: Tensors) -> Verdict:
        """Score each patch of each clip."""
        features: list[Tensor] = []
        maps = video
        for layer in self.layers:
            maps = layer(maps)
            features.append(maps)
        scores = self.projection(self.scores(maps), maps, condition)
        return Verdict((scores,), tuple(features))


class FrameThenTime(nn.Module):
    """A convolution within frames that halves them, and one along time; LeakyReLU after both."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.frame = nn.Conv2d(channels, width, 4, stride=2, padding=1)
        self.time = nn.Conv3d(width, width, (3, 1, 1), padding=(1, 0, 0))

    def forward(self, maps: Tensor) -> Tensor:
        """(B, channels, T, H, W) -> (B, width, T, H // 2, W // 2)."""
        frames = leaky_relu(self.frame(maps.transpose(1, 2).flatten(0, 1)), SLOPE)
        clip = frames.view(len(maps), -1, *frames.shape[1:]).transpose(1, 2)
        return leaky_relu(self.time(clip), SLOPE)
