"""Convolutions that are faster on CPUs, and right in bf16: some replace torch's kernels."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from vidgan_core.device import channels_last, fast_bf16
from vidgan_core.tensors import second_derivatives_wanted
from vidgan_cpu.kernels import (
    MANY,
    ConvGeometry,
    conv,
    conv_transpose,
    onednn_bf16_bug,
    weight_gradient,
)

TORCHS_OWN: tuple[Any, ...] = (
    nn.Conv2d._conv_forward,
    nn.Conv3d._conv_forward,
    nn.ConvTranspose2d.forward,
    nn.ConvTranspose3d.forward,
)


def tune_convolutions(network: nn.Module) -> None:
    """Make the 2D and 3D convolutions of a network faster, in place.

    Layers keep their weights and names, and their class by name and as a base.
    """
    channels_last(network)
    for layer in network.modules():
        if isinstance(layer, _ConvNd) and _plain(layer):
            kind: Any = type(layer)
            layer.__class__ = _tuned(kind)


def widen_convolutions(network: nn.Module) -> None:
    """Keep bf16 from convolutions whose gradients a CPU would get wrong in it, in place.

    Under autocast they are computed in single precision (`kernels.onednn_bf16_bug`). To be called
    after `tune_convolutions`, whose layers have kernels of their own where there is one group.
    """
    for layer in network.modules():
        if isinstance(layer, _ConvNd) and not isinstance(layer, _Widened):
            kind: Any = type(layer)
            layer.__class__ = _widened(kind)


@cache
def _widened(kind: Any) -> type[_ConvNd]:
    """Return the class that a layer of this one becomes."""
    return type(kind.__name__, (_Widened, kind), {})


class _Widened(_ConvNd):
    """What a layer becomes whose gradients may be wrong."""

    def forward(self, input: Tensor, *options: Any, **named: Any) -> Tensor:
        """(B, C, ...) -> (B, O, ...)."""
        layer: Any = super()
        made: Tensor
        tuned = isinstance(self, _Tuned | _TunedTransposed) and self.groups == 1
        if not _onednn_bf16_bug(self, input) or (tuned and not options and _measured(input, self)):
            made = layer.forward(input, *options, **named)
            return made
        with torch.autocast("cpu", enabled=False):
            made = layer.forward(input.float(), *options, **named)
        return made


@cache
def _tuned(kind: Any) -> type[_ConvNd]:
    """Return the class that a layer of this one becomes."""
    base = _TunedTransposed if issubclass(kind, _ConvTransposeNd) else _Tuned
    return type(kind.__name__, (base, kind), {})


def _plain(layer: _ConvNd) -> bool:
    """Say whether a layer has two dimensions or three, and no extras.

    One that is tuned, or computes something else than its base, stays what it is.
    """
    kind: Any = type(layer)
    computes = kind.forward if isinstance(layer, _ConvTransposeNd) else kind._conv_forward
    return (
        computes in TORCHS_OWN
        and max(layer.dilation) == 1
        and not any(layer.output_padding)
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
    )


def _geometry(layer: _ConvNd) -> ConvGeometry:
    return ConvGeometry(
        layer.stride, layer.padding, isinstance(layer, _ConvTransposeNd), layer.groups
    )


class _TunedTransposed(_ConvTransposeNd):
    """What a transposed layer becomes."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """(B, C, ...) -> (B, O, ...)."""
        geometry = _geometry(self)
        if output_size is None and _measured(input, self) and _pays(self, geometry, input):
            return _convolve(input, self.weight, self.bias, geometry)
        made: Tensor = super().forward(input, output_size)
        return made


class _Tuned(_ConvNd):
    """What another layer becomes."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        geometry = _geometry(self)
        if _measured(input, self) and _pays(self, geometry, input):
            return _convolve(input, weight, bias, geometry)
        made: Tensor = super()._conv_forward(input, weight, bias)
        return made


def _measured(x: Tensor, layer: _ConvNd) -> bool:
    """Say whether this is what was measured: a batch on a CPU, in a precision that it multiplies.

    What does not fit is left to torch, which says so, and so are its transforms of functions.
    """
    if torch.compiler.is_compiling():  # first: a compiler gives up on what follows
        return False
    cpu = x.device.type == "cpu"
    batch = x.dim() == len(layer.kernel_size) + 2 and x.shape[1] == layer.in_channels
    dtype = _computed_in(x)
    bf16 = dtype == torch.bfloat16 and fast_bf16(x.device)
    own = bf16 or dtype in (torch.float32, torch.float64)
    transformed = getattr(torch._C, "_are_functorch_transforms_active", bool)()
    return cpu and batch and own and not transformed


def _computed_in(x: Tensor) -> torch.dtype:
    """Return the dtype that torch makes of a convolution's input, under autocast or not."""
    changed = x.is_floating_point() and x.dtype != torch.float64
    autocast = changed and torch.is_autocast_enabled("cpu")
    return torch.get_autocast_dtype("cpu") if autocast else x.dtype


def _pays(layer: _ConvNd, geometry: ConvGeometry, x: Tensor) -> bool:
    """Say whether something may be faster; if not, a detour by Python would cost microseconds.

    Or whether torch would be wrong.
    """
    grid, pixels = layer.out_channels, layer.in_channels
    if geometry.transposed:
        grid, pixels = pixels, grid
    product = grid >= MANY and max(layer.kernel_size) > 1  # of one tap it is what torch does
    better = product or geometry.uses_subpixel(pixels) or _onednn_bf16_bug(layer, x)
    return second_derivatives_wanted() or (geometry.groups == 1 and better)


def _onednn_bf16_bug(layer: _ConvNd, x: Tensor) -> bool:
    """Say whether this would be done in bf16, and torch would get gradients wrong."""
    if x.device.type != "cpu" or _computed_in(x) != torch.bfloat16:
        return False
    reach = [d * (k - 1) + 1 for k, d in zip(layer.kernel_size, layer.dilation, strict=True)]
    sides = list(x.shape[-len(reach) :])
    named = isinstance(layer.padding, str)  # "same" is less than the kernel, "valid" nothing
    padding: Any = [0] * len(reach) if named else layer.padding
    if isinstance(layer, _ConvTransposeNd):
        sizes = zip(sides, reach, layer.stride, padding, layer.output_padding, strict=True)
        sides = [(n - 1) * s + k - 2 * p + over for n, k, s, p, over in sizes]
    return onednn_bf16_bug(sides, reach, padding)


def _convolve(x: Tensor, weight: Tensor, bias: Tensor | None, geometry: ConvGeometry) -> Tensor:
    """Return the convolution, which can be differentiated twice, as torch's."""
    x, weight = x.to(_computed_in(x)), weight.to(_computed_in(weight))
    if bias is not None:
        bias = bias.to(_computed_in(bias))
    # Whether a pass wants a gradient, autograd says of what an operation made, but not of a leaf.
    made: Tensor = _Convolution.apply(x, weight.expand_as(weight), bias, geometry)  # type: ignore[no-untyped-call]
    return made


class _Convolution(Function):
    """A convolution and its gradients, each by the kernel that is best for it."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, geometry: ConvGeometry
    ) -> Tensor:
        """(B, C, ...) -> (B, O, ...)."""
        ctx.save_for_backward(x, weight)
        ctx.geometry = geometry
        made = (conv_transpose if geometry.transposed else conv)(x, weight, bias, geometry)
        return made.data  # no view any more, which an activation could not change in place

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return those gradients, of x, weight and bias, that the pass wants."""
        with torch.autocast("cpu", enabled=False):  # as it was forwards
            return _gradients(ctx, gradient)


def _gradients(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    x, weight = ctx.saved_tensors
    geometry: ConvGeometry = ctx.geometry
    pixels, grid = (gradient, x) if geometry.transposed else (x, gradient)
    places, sides = (len(grid), *grid.shape[2:]), pixels.shape[2:]
    back = geometry.back(grid.shape[2:], sides, weight.shape[2:])
    for_x, for_weight, for_bias = _wanted(ctx)
    x_here = for_x and (torch.is_grad_enabled() or back.better(weight, places, sides))
    weight_here = for_weight and geometry.multiplies(weight, places, sides)
    # The kernel that makes a layer's weights' gradient gives the bias's for nothing; only there.
    bias_here = for_bias and (geometry.transposed or weight_here or not for_weight)
    rest = [for_x and not x_here, for_weight and not weight_here, for_bias and not bias_here]
    of_x = of_weight = of_bias = None
    if any(rest):
        each = len(geometry.stride)
        sizes = (
            geometry.stride,
            geometry.padding,
            [1] * each,
            geometry.transposed,
            geometry.over or [0] * each,
        )
        of_x, of_weight, of_bias = torch.ops.aten.convolution_backward(
            gradient, x, weight, [gradient.shape[1]], *sizes, geometry.groups, rest
        )
    if x_here:
        of_x = _convolve(gradient, weight, None, back)
    if weight_here:
        of_weight = weight_gradient(grid, pixels, weight.shape[2:], geometry)
    if bias_here:
        of_bias = gradient.sum([0, *range(2, gradient.dim())])
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
