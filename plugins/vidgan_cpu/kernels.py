"""Convolutions that are not left to torch: sub-pixel convolutions and matrix products.

- A transposed convolution to three channels is a generator's last layer, and the gradient by the
  pixels in a discriminator. With a stride of s and a kernel of q s pixels, each of the s pixels
  that an input becomes sees q taps of its own. So they are channels of an ordinary convolution of q
  taps, and are then interleaved: the same products, summed up in another order.
- Around the innermost grid, where many weights meet few places, a convolution is one product of
  matrices: what each place sees, and the weights. So are a transposed one, which then adds up what
  the places give to the same pixel, and the gradient of the weights.

A CPU's kernels take up to several times as long (`pytest benchmarks/test_convolutions.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from operator import sub
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import conv2d, conv3d, conv_transpose2d, conv_transpose3d, pad

# Where each was measured to be faster than torch's kernels:
FEW = 8  # weaving: at most so many channels next to the pixels
MANY = 128  # a product: at least so many channels of the grid
HEAVY = 2**22  # of the convolution and both gradients: at least so many weights
# In bf16, where the kernels are slow on a grid of short rows:
SHORT = 4  # a product, of the weights' own gradient: at most so many places in a row
HEAVY_BF16 = 2**21  # of the convolution: at least so many weights as well
WIDE, LONG = 256, 8  # with a stride, of the weights' own: so many channels, and at most such rows
MOST_PATCHES = 2**25  # of all of them: at most so many numbers that the places see
Sizes = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ConvGeometry:
    """How a weight (grid's channels, pixels' channels, kernel ...) joins a grid and its pixels."""

    stride: Sizes
    padding: Any  # Sizes; a layer's may be a word, for one that is left to torch
    transposed: bool  # from the grid to the pixels
    groups: int = 1
    over: Sizes = ()  # pixels at the ends that no place of the grid sees; (): none

    def back(self, grid: Sizes, pixels: Sizes, kernel: Sizes) -> ConvGeometry:
        """Return the geometry of the gradient by the input of a convolution."""
        whole = self.pixels(grid, kernel)
        over = () if whole == tuple(pixels) else tuple(map(sub, pixels, whole))
        return ConvGeometry(self.stride, self.padding, not self.transposed, self.groups, over)

    def grid(self, pixels: Sizes, kernel: Sizes) -> Sizes:
        """Return the sides of the grid that sees these pixels."""
        sides = zip(pixels, kernel, self.stride, self.padding, strict=True)
        return tuple((n + 2 * p - k) // s + 1 for n, k, s, p in sides)

    def pixels(self, grid: Sizes, kernel: Sizes) -> Sizes:
        """Return the sides of the pixels that a grid becomes."""
        sides = zip(grid, kernel, self.stride, self.padding, strict=True)
        return tuple((n - 1) * s + k - 2 * p for n, k, s, p in sides)

    def better(self, weight: Tensor, grid: Sizes, pixels: Sizes) -> bool:
        """Say whether another kernel than torch's is better for a grid (B, n, ...)."""
        if self.groups > 1:
            return False
        if not self.transposed:
            return heavy(weight, grid)
        sides = zip(pixels, weight.shape[2:], self.stride, self.padding, strict=True)
        whole = all(k % s == 0 and (n + 2 * p) % s == 0 and n > 0 for n, k, s, p in sides)
        return whole and (self.uses_subpixel(weight.shape[1]) or adds_up(weight, grid))

    def uses_subpixel(self, channels: int) -> bool:
        """Say whether a sub-pixel convolution is better for so many channels."""
        return channels <= FEW and max(self.stride) > 1

    def multiplies(self, weight: Tensor, grid: Sizes, pixels: Sizes) -> bool:
        """Say whether a matrix product is better for the weight's gradient."""
        if self.groups > 1:
            return False
        if weight.dtype != torch.bfloat16:
            return 0 < math.prod(grid) <= len(weight) or heavy(weight, grid)
        if onednn_bf16_bug(pixels, weight.shape[2:], self.padding):
            return min(grid) > 0
        wide = max(self.stride) > 1 and len(weight) >= WIDE and grid[-1] <= LONG
        return little(weight, grid) and (grid[-1] <= SHORT or wide)


def onednn_bf16_bug(pixels: Sequence[int], kernel: Sequence[int], padding: Sequence[int]) -> bool:
    """Say whether torch's kernel would get the weight's gradient wrong in bf16.

    Where it goes over fewer pixels than it has taps, or over padding alone, numbers of memory that
    nobody has written come in (torch 2.13 with oneDNN 3.12, on a CPU with AVX512-BF16).
    """
    return any(k > n or p >= k for n, k, p in zip(pixels, kernel, padding, strict=True))


def heavy(weight: Tensor, grid: Sizes) -> bool:
    """Say whether there are so many weights and so few places that a product is better."""
    if weight.dtype == torch.bfloat16:
        many = weight.numel() >= HEAVY_BF16
        return many and little(weight, grid) and grid[-1] <= SHORT
    return weight.numel() >= HEAVY and min(grid) > 0 and math.prod(grid) <= 2 * len(weight)


def little(weight: Tensor, grid: Sizes) -> bool:
    """Say whether all that the places see is something, and not too much to copy."""
    return min(grid) > 0 and math.prod(grid) * weight[0].numel() <= MOST_PATCHES


def adds_up(weight: Tensor, grid: Sizes) -> bool:
    """Say whether a product is better for a transposed convolution, too."""
    return weight.dtype != torch.bfloat16 and heavy(weight, grid)


def conv(x: Tensor, weight: Tensor, bias: Tensor | None, geometry: ConvGeometry) -> Tensor:
    """Convolve pixels (B, C, ...): (B, O, ...)."""
    kernel = weight.shape[2:]
    sides = geometry.grid(x.shape[2:], kernel)
    if not geometry.better(weight, (len(x), *sides), x.shape[2:]):
        convolve = (conv2d, conv3d)[x.dim() - 4]
        return convolve(x, weight, bias, geometry.stride, geometry.padding, groups=geometry.groups)
    what, weights = im2col(x, kernel, geometry), weight.movedim(1, -1).flatten(1).t()
    made = what @ weights if bias is None else torch.addmm(bias, what, weights)
    return made.reshape(len(x), *sides, len(weight)).movedim(-1, 1)


def conv_transpose(
    x: Tensor, weight: Tensor, bias: Tensor | None, geometry: ConvGeometry
) -> Tensor:
    """Convolve a grid (B, C, ...), transposed: (B, O, ...)."""
    grid, outputs = (len(x), *x.shape[2:]), weight.shape[1]
    if not geometry.over and geometry.better(
        weight, grid, geometry.pixels(x.shape[2:], weight.shape[2:])
    ):
        strides = (subpixel_conv if geometry.uses_subpixel(outputs) else col2im_matmul)(
            x, weight, bias, geometry
        )
        return interleave(strides, geometry)
    convolve = (conv_transpose2d, conv_transpose3d)[x.dim() - 4]
    return convolve(
        x, weight, bias, geometry.stride, geometry.padding, geometry.over or 0, geometry.groups
    )


def weight_gradient(grid: Tensor, pixels: Tensor, kernel: Sizes, geometry: ConvGeometry) -> Tensor:
    """Return the gradient by a weight: the sum over places of their channels and what they see."""
    places = grid.movedim(1, -1).flatten(0, -2)  # (places, channels)
    made = places.t() @ im2col(pixels, kernel, geometry)
    return made.reshape(grid.shape[1], *kernel, pixels.shape[1]).movedim(-1, 1)


def im2col(pixels: Tensor, kernel: Sizes, geometry: ConvGeometry) -> Tensor:
    """Return what each place of the grid sees (places, k*...*C): channels last, as in a weight."""
    around = [p for side in reversed(geometry.padding) for p in (side, side)]
    rows = pad(pixels.movedim(1, -1), [0, 0, *around])
    for d, (k, s) in enumerate(zip(kernel, geometry.stride, strict=True)):
        rows = rows.unfold(d + 1, k, s)  # (B, n, ..., C, k, ...)
    each = len(kernel)
    return rows.movedim(each + 1, -1).flatten(each + 1).flatten(0, each)


def col2im_matmul(x: Tensor, weight: Tensor, bias: Tensor | None, geometry: ConvGeometry) -> Tensor:
    """Make all that each place gives, then add up what is for the same pixel.

    What a place gives are taps, each a stride of pixels that is as many places further on.
    (B, C, n, ...) -> (B, n + taps - 1, ..., s, ..., O)
    """
    outputs, *kernel = weight.shape[1:]
    taps = [k // s for k, s in zip(kernel, geometry.stride, strict=True)]
    pairs = [size for pair in zip(taps, geometry.stride, strict=True) for size in pair]
    given = x.movedim(1, -1).flatten(0, -2) @ weight.movedim(1, -1).flatten(1)
    # (places, k*...*O) -> (B, n, ..., taps, s, ..., O)
    sides = x.shape[2:]
    given = given.reshape(len(x), *sides, *pairs, outputs)
    start = x.new_zeros(outputs) if bias is None else bias
    larger = [n + t - 1 for n, t in zip(sides, taps, strict=True)]
    made = start.expand(len(x), *larger, *geometry.stride, outputs).clone()
    everything = slice(None)
    for which in product(*map(range, taps)):
        there = [slice(t, t + n) for t, n in zip(which, sides, strict=True)]
        tap = [index for t in which for index in (t, everything)]
        made[(everything, *there)] += given[(everything, *[everything] * len(sides), *tap)]
    return made


def subpixel_conv(x: Tensor, weight: Tensor, bias: Tensor | None, geometry: ConvGeometry) -> Tensor:
    """Make the pixels of a stride as channels.

    Pixel s i + b of a dimension, before the padding is cut off, is the sum of W[s t + b] x[i - t]
    over the taps t. (B, C, n, ...) -> (B, n + taps - 1, ..., s, ..., O)
    """
    each = len(geometry.stride)
    inputs, outputs, *kernel = weight.shape
    taps = [k // s for k, s in zip(kernel, geometry.stride, strict=True)]
    # (I, O, k, ...) -> (I, taps, s, ..., O) -> (s, ..., O, taps, ..., I), from the last tap on
    pairs = [size for pair in zip(taps, geometry.stride, strict=True) for size in pair]
    split = weight.movedim(1, -1).reshape(inputs, *pairs, outputs)
    over_taps, over_stride = range(1, 2 * each, 2), range(2, 2 * each + 1, 2)
    split = split.flip(*over_taps).permute(*over_stride, 2 * each + 1, *over_taps, 0)
    many = split.reshape(-1, *taps, inputs).movedim(-1, 1)  # (s*s*...*O, I, taps, ...)
    if bias is not None:
        bias = bias.repeat(len(many) // outputs)
    made = (conv2d, conv3d)[each - 2](x, many, bias, padding=[t - 1 for t in taps])
    return made.movedim(1, -1).reshape(len(x), *made.shape[2:], *geometry.stride, outputs)


def interleave(strides: Tensor, geometry: ConvGeometry) -> Tensor:
    """Lay the pixels of each stride side by side, and cut the padding off; dense, as torch's.

    (B, n, ..., s, ..., O) -> (B, O, n*s, ...)
    """
    each = len(geometry.stride)
    pairs = [axis for d in range(each) for axis in (1 + d, 1 + each + d)]
    rows = strides.permute(0, *pairs, 2 * each + 1)
    for d, p in enumerate(geometry.padding):
        rows = rows.flatten(d + 1, d + 2)
        rows = rows.narrow(d + 1, p, rows.shape[d + 1] - 2 * p)
    return rows.contiguous().movedim(-1, 1)
