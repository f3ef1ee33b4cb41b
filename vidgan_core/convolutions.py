"""Convolutions as they run fastest: channels-last, and in two places in another way than torch's.

- A transposed convolution to three channels is a generator's way to its pixels, and the gradient by
  the pixels in a discriminator. With a stride of s and a kernel of q s pixels, each of the s pixels
  that an input becomes sees q taps of its own. So they are channels of an ordinary convolution of q
  taps, and are then woven together: the same products, summed up in another order.
- The gradient of a weight is a sum over all places. Where these are few, around the innermost grid,
  it is one product of two small matrices: the places' channels, and what each of them sees.

A CPU's kernels take several times as long for these (`pytest benchmarks/test_convolutions.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn.functional import conv2d, conv3d, conv_transpose2d, conv_transpose3d, pad
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from vidgan_core.precision import channels_last

FEW = 8  # channels next to the pixels up to which weaving was measured to be faster
MANY = 128  # channels of a grid from which on its places may be so few that a product is
Sizes = tuple[int, ...]


def tune_convolutions(network: nn.Module) -> None:
    """Make the 2D and 3D convolutions of a network as fast as they can be, in place.

    Layers keep their weights and names, and their class by name and as a base.
    """
    channels_last(network)
    for layer in network.modules():
        if isinstance(layer, _ConvNd) and _plain(layer) and _promising(layer):
            kind = type(layer)
            tuned = _TunedTransposed if isinstance(layer, _ConvTransposeNd) else _Tuned
            if issubclass(kind, tuned):
                continue
            layer.__class__ = type(kind.__name__, (tuned, kind), {})


def _plain(layer: _ConvNd) -> bool:
    """Say whether a layer has two dimensions or three, taps, and neither groups nor other extras.

    A convolution of one tap is such a product already.
    """
    return (
        len(layer.kernel_size) > 1
        and max(layer.kernel_size) > 1
        and layer.groups == 1
        and max(layer.dilation) == 1
        and not any(layer.output_padding)
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
    )


def _promising(layer: _ConvNd) -> bool:
    """Say whether either way may come up: for nothing, going by Python costs some microseconds."""
    grid, pixels = layer.out_channels, layer.in_channels
    if isinstance(layer, _ConvTransposeNd):
        grid, pixels = pixels, grid
    return (pixels <= FEW and max(layer.stride) > 1) or grid >= MANY


class _TunedTransposed(_ConvTransposeNd):
    """What a transposed layer becomes."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """(B, C, ...) -> (B, O, ...)."""
        if output_size is None and _measured(input, self):
            way = _Way(self.stride, self.padding, transposed=True)
            return _convolve(input, self.weight, self.bias, way)
        made: Tensor = super().forward(input, output_size)
        return made


class _Tuned(_ConvNd):
    """What another layer becomes."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if _measured(input, self):
            way = _Way(self.stride, self.padding, transposed=False)
            return _convolve(input, weight, bias, way)
        made: Tensor = super()._conv_forward(input, weight, bias)
        return made


def _measured(x: Tensor, layer: _ConvNd) -> bool:
    """Say whether this is where it was measured: batches on a CPU, without autocast."""
    cpu = x.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
    batch = x.dim() == len(layer.kernel_size) + 2
    return cpu and batch and not torch.compiler.is_compiling()


@dataclass(frozen=True, slots=True)
class _Way:
    """How a weight (grid's channels, pixels' channels, kernel ...) joins a grid and its pixels."""

    stride: Sizes
    padding: Any  # Sizes; a layer's may be a word, which `_plain` leaves to torch
    transposed: bool  # from the grid to the pixels

    def weaves(self, weight: Tensor, pixels: Sizes) -> bool:
        """Say whether it is better to weave these pixels, and possible."""
        kernel = weight.shape[2:]
        sides = zip(pixels, kernel, self.stride, self.padding, strict=True)
        whole = all(k % s == 0 and (n + 2 * p) % s == 0 for n, k, s, p in sides)
        return weight.shape[1] <= FEW and max(self.stride) > 1 and whole


def _convolve(x: Tensor, weight: Tensor, bias: Tensor | None, way: _Way) -> Tensor:
    """Return the convolution, which can be differentiated twice, as torch's."""
    # Whether a pass wants the gradient of a leaf autograd does not say, that of a view it does.
    made: Tensor = _Convolution.apply(x, weight.expand_as(weight), bias, way)  # type: ignore[no-untyped-call]
    return made


class _Convolution(Function):
    """Woven where that is faster, else by torch's kernels; so are its gradients, or a product."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, way: _Way) -> Tensor:
        """(B, C, ...) -> (B, O, ...)."""
        ctx.save_for_backward(x, weight)
        ctx.way = way
        if not way.transposed:
            return (conv2d, conv3d)[x.dim() - 4](x, weight, bias, way.stride, way.padding)
        sides = zip(x.shape[2:], weight.shape[2:], way.stride, way.padding, strict=True)
        if way.weaves(weight, tuple((n - 1) * s + k - 2 * p for n, k, s, p in sides)):
            return _woven(x, weight, bias, way)
        convolve = (conv_transpose2d, conv_transpose3d)[x.dim() - 4]
        return convolve(x, weight, bias, way.stride, way.padding)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return those gradients, of x, weight and bias, that the pass wants."""
        x, weight = ctx.saved_tensors
        way: _Way = ctx.way
        pixels, grid = (gradient, x) if way.transposed else (x, gradient)
        for_x, for_weight, for_bias = _wanted(ctx)
        weave = for_x and not way.transposed and way.weaves(weight, x.shape[2:])
        multiply = for_weight and grid.numel() // grid.shape[1] <= weight.shape[0]
        rest = [for_x and not weave, for_weight and not multiply, for_bias]
        of_x = of_weight = of_bias = None
        if any(rest):
            each = len(way.stride)
            sizes = (way.stride, way.padding, [1] * each, way.transposed, [0] * each, 1)
            of_x, of_weight, of_bias = torch.ops.aten.convolution_backward(
                gradient, x, weight, [gradient.shape[1]], *sizes, rest
            )
        if weave:
            back = _Way(way.stride, way.padding, transposed=True)
            of_x = _convolve(gradient, weight, None, back)
        if multiply:
            of_weight = _product(grid, pixels, weight.shape[2:], way)
        return of_x, of_weight, of_bias, None


def _wanted(ctx: Any) -> list[bool]:
    """Say which gradients a pass wants, of x, weight and bias.

    `needs_input_grad` says which any pass could want: a penalty's, by x alone, would compute those
    of the weights for nothing, as torch's own operations don't.
    """
    nodes = [node for node, _ in ctx.next_functions]  # of no bias there is none
    return [
        needed and _executed(node)
        for needed, node in zip(ctx.needs_input_grad[:3], [*nodes, None], strict=False)
    ]


def _executed(node: Any) -> bool:
    try:
        executed: bool = torch._C._will_engine_execute_node(node)
    except (RuntimeError, AttributeError):  # of a leaf it does not say; nor is it public
        return True
    return executed


def _product(grid: Tensor, pixels: Tensor, kernel: Sizes, way: _Way) -> Tensor:
    """Return the gradient of a weight: each place's channels times all that it sees.

    The pixels come channels-last, so that what a place sees has the weight's order in memory.
    """
    each = len(kernel)
    around = [p for side in reversed(way.padding) for p in (side, side)]
    seen = pad(pixels.movedim(1, -1), [0, 0, *around])
    for d, (k, s) in enumerate(zip(kernel, way.stride, strict=True)):
        seen = seen.unfold(d + 1, k, s)  # (B, n, ..., C, k, ...)
    seen = seen.movedim(each + 1, -1).flatten(each + 1).flatten(0, each)  # (places, k*...*C)
    places = grid.movedim(1, -1).flatten(0, each)  # (places, channels)
    product: Tensor = (places.t() @ seen).reshape(grid.shape[1], *kernel, -1)
    return product.movedim(-1, 1)


def _woven(x: Tensor, weight: Tensor, bias: Tensor | None, way: _Way) -> Tensor:
    """Make the pixels of a stride as channels, then lay them side by side.

    Pixel s i + b of a dimension, before the padding is cut off, is the sum of W[s t + b] x[i - t]
    over the taps t.
    """
    each = len(way.stride)
    inputs, outputs, *kernel = weight.shape
    taps = [k // s for k, s in zip(kernel, way.stride, strict=True)]
    # (I, O, k, ...) -> (I, taps, s, ..., O) -> (s, ..., O, taps, ..., I), from the last tap on
    pairs = [size for pair in zip(taps, way.stride, strict=True) for size in pair]
    split = weight.movedim(1, -1).reshape(inputs, *pairs, outputs)
    over_taps, over_stride = range(1, 2 * each, 2), range(2, 2 * each + 1, 2)
    split = split.flip(*over_taps).permute(*over_stride, 2 * each + 1, *over_taps, 0)
    many = split.reshape(-1, *taps, inputs).movedim(-1, 1)  # (s*s*...*O, I, taps, ...)
    if bias is not None:
        bias = bias.repeat(len(many) // outputs)
    made = (conv2d, conv3d)[each - 2](x, many, bias, padding=[t - 1 for t in taps])
    # (B, s*...*O, n, ...) -> (B, n, ..., s, ..., O) -> (B, n*s, ..., O)
    sides = made.shape[2:]
    rows = made.movedim(1, -1).reshape(len(x), *sides, *way.stride, outputs)
    beside = [axis for d in range(each) for axis in (1 + d, 1 + each + d)]
    rows = rows.permute(0, *beside, 2 * each + 1)
    rows = rows.reshape(len(x), *(n * s for n, s in zip(sides, way.stride, strict=True)), outputs)
    for d, p in enumerate(way.padding):
        rows = rows.narrow(d + 1, p, rows.shape[d + 1] - 2 * p)
    return rows.movedim(-1, 1)
