"""What the networks of DVD-GAN are made of: Clark et al. 2019, appendix A.2, after BigGAN.

Frames are rows of a batch, (B*T, C, H, W), those of a clip side by side.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, avg_pool3d, interpolate, max_pool2d, relu

from vidgan_core.errors import ShapeError
from vidgan_core.interfaces import DataSpec
from vidgan_core.nn.spectral_norm import normalise

SMALLEST = 4  # pixels of the innermost block


def halvings(spec: DataSpec) -> int:
    """Return how often a frame is halved on its way to the innermost block. Raises ShapeError."""
    if spec.height % 16 or spec.width % 16:
        raise ShapeError(
            f"can't do {spec}: height and width must be multiples of 16 (such as 32, 64, 96, 128); "
            "any number of frames will do"
        )
    sides = (spec.height, spec.width)
    return max(
        n for n in range(2, 6) if min(sides) >> n >= SMALLEST and not any(s % 2**n for s in sides)
    )


def restrained(network: nn.Module) -> None:
    """Start weight layers orthogonal (Saxe et al. 2013) and hold their spectral norm at one."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d | nn.Linear):
            nn.init.orthogonal_(module.weight)
    normalise(network)


class ConditionalNorm(nn.Module):
    """BatchNorm whose gain, 1 + A c, and bias, B c, are linear in a clip's code c = [z; e(y)].

    The statistics are of each frame's number by itself: taken over time, they would carry what
    one frame shows to the others.
    """

    def __init__(self, channels: int, frames: int, code: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(frames * channels, affine=False)
        self.gain = nn.Linear(code, channels, bias=False)
        self.bias = nn.Linear(code, channels, bias=False)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """(B*T, C, H, W) and (B, F) -> (B*T, C, H, W)."""
        clips = x.view(len(code), -1, *x.shape[1:])  # (B, T, C, H, W)
        normal = self.norm(clips.flatten(1, 2)).view(clips.shape)
        gain, bias = (1 + self.gain(code), self.bias(code))  # (B, C) each
        shifted: Tensor = normal * gain[:, None, :, None, None] + bias[:, None, :, None, None]
        return shifted.flatten(0, 1)


class ConvGRU(nn.Module):
    """A gated recurrent unit of 3x3 convolutions, with ReLU in the place of tanh (appendix A.2).

    r = sigmoid(W_r * [h; x]), u = sigmoid(W_u * [h; x]), c = relu(W_c * [x; r h]),
    h <- u h + (1 - u) c, all with a bias, and h zero before the first frame.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reset, self.update, self.candidate = (
            nn.Conv2d(2 * channels, channels, 3, padding=1) for _ in range(3)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C, H, W) -> the state after each frame, (B, T, C, H, W)."""
        state = torch.zeros_like(x[:, 0])
        states = []
        for frame in x.unbind(1):
            both = torch.cat([state, frame], dim=1)
            reset, update = torch.sigmoid(self.reset(both)), torch.sigmoid(self.update(both))
            candidate = relu(self.candidate(torch.cat([frame, reset * state], dim=1)))
            state = update * state + (1 - update) * candidate
            states.append(state)
        return torch.stack(states, dim=1)


class UpBlock(nn.Module):
    """Figure 8: twice norm, ReLU and 3x3 convolution, doubling the frame before the first one."""

    def __init__(self, inner: int, outer: int, frames: int, code: int, *, up: bool) -> None:
        super().__init__()
        self.factor = 2 if up else 1
        self.norms = nn.ModuleList(ConditionalNorm(c, frames, code) for c in (inner, outer))
        self.first = nn.Conv2d(inner, outer, 3, padding=1)
        self.second = nn.Conv2d(outer, outer, 3, padding=1)
        self.skip = nn.Conv2d(inner, outer, 1) if up else nn.Identity()

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """(B*T, inner, H, W) -> (B*T, outer, H, W), or twice the size."""
        change = self.first(self._larger(relu(self.norms[0](x, code))))
        change = self.second(relu(self.norms[1](change, code)))
        larger: Tensor = self._larger(self.skip(x)) + change
        return larger

    def _larger(self, x: Tensor) -> Tensor:
        return interpolate(x, scale_factor=self.factor) if self.factor > 1 else x


class DownBlock(nn.Module):
    """Figure 9: ReLU and 3x3 convolution twice, then pooling; of frames, or of clips (`in_time`).

    The first block of a critic sees pixels, to which it applies no ReLU.
    """

    def __init__(
        self,
        inner: int,
        outer: int,
        *,
        in_time: bool = False,
        down: bool = True,
        first: bool = False,
    ) -> None:
        super().__init__()
        convolution = nn.Conv3d if in_time else nn.Conv2d
        self.down = down
        self.layers = nn.Sequential(
            nn.Identity() if first else nn.ReLU(),
            convolution(inner, outer, 3, padding=1),
            nn.ReLU(inplace=True),
            convolution(outer, outer, 3, padding=1),
        )
        self.skip = nn.Identity() if inner == outer and not down else convolution(inner, outer, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inner, [T,] H, W) -> (B, outer, [T,] H, W), or half of each."""
        change = self.layers(x)
        if self.down:
            x, change = halved(x), halved(change)
        smaller: Tensor = self.skip(x) + change
        return smaller


def halved(x: Tensor) -> Tensor:
    """Average to half the height and width, and half the length where it is even."""
    if x.ndim == 4:
        return avg_pool2d(x, 2)
    return avg_pool3d(x, (1 if x.shape[2] % 2 else 2, 2, 2))


class SelfAttention(nn.Module):
    """Zhang et al. 2019, "Self-Attention GANs": each place of a frame looks at all others.

    As in BigGAN: an eighth of the channels for queries and keys, half of them for values, keys and
    values at half the size, and a gain that starts at zero.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        few, half = max(1, channels // 8), max(1, channels // 2)
        self.query = nn.Conv2d(channels, few, 1, bias=False)
        self.key = nn.Conv2d(channels, few, 1, bias=False)
        self.value = nn.Conv2d(channels, half, 1, bias=False)
        self.out = nn.Conv2d(half, channels, 1, bias=False)
        self.gain = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (B, C, H, W)."""
        query = self.query(x).flatten(2)  # (B, few, H*W)
        key = max_pool2d(self.key(x), 2).flatten(2)  # (B, few, H*W/4)
        value = max_pool2d(self.value(x), 2).flatten(2)  # (B, half, H*W/4)
        weight = (query.transpose(1, 2) @ key).softmax(dim=-1)  # (B, H*W, H*W/4)
        # (B, H*W, half) -> (B, half, H, W): the other way round, the weight's gradient is copied
        gathered = (weight @ value.transpose(1, 2)).transpose(1, 2).unflatten(2, x.shape[2:])
        attended: Tensor = x + self.gain * self.out(gathered)
        return attended
