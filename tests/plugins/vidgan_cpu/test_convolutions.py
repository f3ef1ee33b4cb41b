"""Convolutions whose kernels replace torch's."""

from __future__ import annotations

import copy
from contextlib import nullcontext

import pytest
import torch
from conftest import REGISTRY, SMALL, components, needs_bf16, of_clip, small_options, with_clip
from torch import Tensor, nn
from torch.profiler import profile
from torch.utils.flop_counter import FlopCounterMode
from vidgan_cpu import convolution as convolutions
from vidgan_cpu import kernels
from vidgan_cpu.convolution import tune_convolutions, widen_convolutions

from vidgan_core.device import BF16
from vidgan_core.nn.spectral_norm import spectral_norm
from vidgan_core.plugins.registry import Provided
from vidgan_core.tensors import second_derivatives

LAYERS = {
    "2d": nn.Conv2d(3, 5, 4, 2, 1),
    "2d, no padding, no bias": nn.Conv2d(2, 4, (4, 2), 2, bias=False),
    "2d, a kernel that the stride does not divide": nn.Conv2d(3, 4, 3, 2, 1),
    "2d, stride 3": nn.Conv2d(1, 2, 6, 3, 2),
    "3d": nn.Conv3d(3, 5, 4, 2, 1),
    "3d, in space": nn.Conv3d(3, 4, (3, 4, 4), (1, 2, 2), 1, bias=False),
    "3d, unlike sides": nn.Conv3d(2, 3, (2, 4, 6), (1, 4, 2), (0, 0, 2)),
    "2d, few places": nn.Conv2d(3, 200, 3, 1, 1),
    "3d, few places": nn.Conv3d(10, 150, 4, 2, 1),
    "3d, few places, pixels over": nn.Conv3d(3, 130, (3, 4, 2), (2, 5, 3), (1, 0, 0)),
    "transposed 2d": nn.ConvTranspose2d(5, 3, 4, 2, 1),
    "transposed 2d, no padding, no bias": nn.ConvTranspose2d(4, 2, (4, 2), 2, bias=False),
    "transposed 3d": nn.ConvTranspose3d(5, 3, 4, 2, 1),
    "transposed 3d, in space": nn.ConvTranspose3d(4, 3, (3, 4, 4), (1, 2, 2), 1, bias=False),
    "transposed 3d, few places": nn.ConvTranspose3d(600, 10, 4, 2, 1, bias=False),
    "transposed 3d, few places and channels": nn.ConvTranspose3d(600, 3, (1, 4, 4), (1, 2, 2)),
    "transposed 3d, unlike sides": nn.ConvTranspose3d(3, 2, (2, 4, 6), (1, 4, 2), (0, 0, 2)),
    "2d, one tap": nn.Conv2d(3, 4, 1),
    "3d, a stride of one between few channels": nn.Conv3d(3, 4, 3, 1, 1),
    "2d, groups": nn.Conv2d(6, 8, 3, 2, 1, groups=2),
    "3d, groups, few places": nn.Conv3d(6, 900, 4, 2, 1, groups=3),
    "transposed 3d, groups": nn.ConvTranspose3d(6, 4, 4, 2, 1, groups=2),
    "transposed 2d, few places": nn.ConvTranspose2d(200, 10, (4, 6), (2, 3), (1, 0)),
    "transposed 3d, few places, in space": nn.ConvTranspose3d(300, 9, (3, 4, 4), (1, 2, 2), 1),
    "transposed 3d, few places, overlaps": nn.ConvTranspose3d(300, 9, 3, 2, 1),
}

FEWER = {  # pixels than the kernel has taps, in one dimension or all
    "2d": nn.Conv2d(3, 5, (7, 3), 1, (3, 1)),
    "2d, groups": nn.Conv2d(32, 32, (7, 3), 1, (3, 1), groups=2),
    "2d, dilation": nn.Conv2d(3, 40, 3, 1, 3, dilation=3),
    "2d, padding alone": nn.Conv2d(17, 64, (1, 3), 3, (1, 0)),
    "3d": nn.Conv3d(16, 64, (5, 4, 4), (1, 2, 2), (2, 1, 1)),
    "3d, of many channels": nn.Conv3d(64, 150, (5, 4, 4), (1, 2, 2), (2, 1, 1)),
    "3d, groups": nn.Conv3d(32, 64, (5, 3, 3), 1, (2, 1, 1), groups=2),
    "3d, dilation": nn.Conv3d(16, 32, 3, 1, 2, dilation=2),
    "3d, padding by name": nn.Conv3d(16, 32, (5, 3, 3), padding="same"),
    "transposed 3d": nn.ConvTranspose3d(64, 16, (5, 4, 4), (1, 2, 2), (3, 1, 1)),
    "transposed 3d, groups": nn.ConvTranspose3d(64, 32, (5, 3, 3), 1, (3, 1, 1), groups=2),
    "transposed 3d, more at the end": nn.ConvTranspose3d(32, 16, (5, 4, 4), 2, (5, 1, 1), 1),
}


class Rectified(nn.ConvTranspose2d):
    """A transposed convolution that is something else as well."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        return super().forward(input, output_size).relu()


class Doubled(nn.Conv3d):
    """A convolution that is something else as well."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return 2 * super()._conv_forward(input, weight, bias)


AS_THEY_ARE = {
    "dilation": nn.Conv2d(3, 4, 4, 2, 1, dilation=2),
    "more at the end": nn.ConvTranspose2d(4, 2, 4, 2, 1, output_padding=1),
    "padding that reflects": nn.Conv2d(3, 4, 4, 2, 1, padding_mode="reflect"),
    "one dimension": nn.ConvTranspose1d(4, 2, 4, 2, 1),
    "a function of its own": Doubled(3, 200, 4, 2, 1),
    "a transposed function of its own": Rectified(5, 3, 4, 2, 1),
}


@pytest.fixture(params=["as measured", "products"])
def products(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks small enough for a test: with products only of many weights, and of any."""
    if request.param == "products":
        for limit in ("HEAVY", "HEAVY_BF16"):
            monkeypatch.setattr(kernels, limit, 1)
        monkeypatch.setattr(kernels, "SHORT", 100)
        monkeypatch.setattr(convolutions, "MANY", 1)


def sides(layer: nn.Module) -> tuple[int, ...]:
    return (6, 12) if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) else (4, 12, 6)


def derivatives(layer: nn.Module, x: Tensor) -> list[Tensor]:
    """What a layer makes, its gradients, and those of a penalty on its gradient by the input.

    What it makes is changed in place, as an activation may.
    """
    made = layer(x).mul_(1.5)
    loss = (made**3).sum()
    inputs = [x, *layer.parameters()]
    first = torch.autograd.grad(loss, inputs, create_graph=True)
    penalty = first[0].square().sum() + first[1].square().sum()
    return [made, *first, *torch.autograd.grad(penalty, inputs)]


@pytest.mark.usefixtures("products")
@pytest.mark.parametrize("name", LAYERS)
def test_values_and_derivatives_are_those_of_torchs_own(name: str) -> None:
    layer = copy.deepcopy(LAYERS[name]).double()
    kind = type(layer)
    tuned = nn.Sequential(copy.deepcopy(layer))
    tune_convolutions(tuned)
    tune_convolutions(tuned)  # again, which changes nothing
    assert isinstance(tuned[0], kind)
    assert type(tuned[0]) is not kind
    x = torch.randn(2, layer.in_channels, *sides(layer), dtype=torch.float64, requires_grad=True)
    expected = derivatives(layer, x)
    for within in (nullcontext(), second_derivatives()):
        with within:
            found = derivatives(tuned, x)
        for ours, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(ours, theirs)
    for clips in (1, 0):
        assert tuned[0](x.detach()[:clips]).shape == layer(x[:clips]).shape
    made = tuned[0](x)
    assert made.flatten(2).data_ptr() == made.data_ptr()  # dense, as torch's
    assert copy.deepcopy(tuned)[0].state_dict().keys() == layer.state_dict().keys()


def in_bf16(layer: nn.Module, network: nn.Module) -> list[tuple[Tensor, Tensor]]:
    """What a network of this one layer makes in bf16, and its gradients, with the exact ones.

    Memory that is free then holds numbers that no sum survives.
    """
    x = torch.randn(2, layer.in_channels, *sides(layer))
    ahead = torch.randn_like(layer(x))
    for number in (x, ahead, *(p.data for n in (layer, network) for p in n.parameters())):
        number.copy_(number.bfloat16())  # what is multiplied is not rounded any more
    x.requires_grad_()
    made = layer.double()(x.double())
    exact = [made, *torch.autograd.grad(made, [x, *layer.parameters()], ahead.double())]
    with BF16.autocast(x.device):
        made = network(x)
    unwritten = [torch.full((2**n,), 3e38) for n in range(8, 20) for _ in range(4)]
    del unwritten
    found = torch.autograd.grad(made, [x, *network.parameters()], ahead.to(made.dtype))
    return list(zip([made, *found], exact, strict=True))


@needs_bf16  # without them torch's sums are not made in single precision
@pytest.mark.usefixtures("products")
@pytest.mark.parametrize("name", LAYERS)
def test_in_bf16_values_and_gradients_are_rounded_once(name: str) -> None:
    layer = copy.deepcopy(LAYERS[name])
    tuned = nn.Sequential(copy.deepcopy(layer))
    tune_convolutions(tuned)
    found = in_bf16(layer, tuned)
    assert found[0][0].dtype == torch.bfloat16
    for ours, exact in found:
        small = 1e-4 * exact.abs().max().item()  # the sums are made in single precision
        torch.testing.assert_close(ours.double(), exact.double(), rtol=2**-8, atol=small)


@pytest.mark.parametrize("name", FEWER)
@pytest.mark.parametrize("how", ["as it is", "tuned", "compiled"])
def test_bf16_gradients_are_right_where_a_kernel_has_more_taps_than_pixels(
    name: str, how: str
) -> None:
    layer = copy.deepcopy(FEWER[name])
    network = nn.Sequential(copy.deepcopy(layer))
    if how != "as it is":
        tune_convolutions(network)
    widen_convolutions(network)
    widen_convolutions(network)  # again, which changes nothing
    if how == "compiled":
        torch.compiler.reset()
        network.compile(backend="eager", fullgraph=True)
    for ours, exact in in_bf16(layer, network):
        small = 1e-4 * exact.abs().max().item()
        torch.testing.assert_close(ours.double(), exact.double(), rtol=2**-8, atol=small)


@pytest.mark.parametrize("name", ["3d, few places", "transposed 3d"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_compiler_sees_torchs_own_layer(name: str, dtype: torch.dtype) -> None:
    layer = copy.deepcopy(LAYERS[name])
    tuned = nn.Sequential(copy.deepcopy(layer))
    tune_convolutions(tuned)
    compiled = torch.compile(tuned, backend="eager", fullgraph=True)  # raises where it can't see
    x = torch.randn(2, layer.in_channels, *sides(layer))
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        torch.testing.assert_close(compiled(x), layer(x), equal_nan=True)


@pytest.mark.usefixtures("products")
@pytest.mark.parametrize("name", ["2d, few places", "transposed 3d, few places"])
def test_a_gradient_by_the_input_alone_costs_no_more_than_torchs_own(name: str) -> None:
    def flops(layer: nn.Module) -> int:
        x = torch.randn(2, layer.in_channels, *sides(layer), requires_grad=True)
        made = layer(x).sum()
        with FlopCounterMode(display=False) as counter:
            torch.autograd.grad(made, x, create_graph=True)
        return counter.get_total_flops()

    plain, tuned = (nn.Sequential(copy.deepcopy(LAYERS[name])) for _ in range(2))
    tune_convolutions(tuned)
    assert flops(tuned[0]) == flops(plain[0]) > 0


def test_an_input_with_pixels_over_is_done_as_torch_does_it() -> None:
    layer = nn.Conv2d(3, 4, 4, 2, 1).double()
    tuned = nn.Sequential(copy.deepcopy(layer))
    tune_convolutions(tuned)
    x = torch.randn(2, 3, 7, 9, dtype=torch.float64, requires_grad=True)
    with second_derivatives():
        found = derivatives(tuned, x)
    for ours, theirs in zip(found, derivatives(layer, x), strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("name", ["2d, groups", "2d, one tap", "transposed 3d, groups"])
def test_a_second_derivative_takes_no_convolution_a_group(name: str) -> None:
    layer = nn.Sequential(copy.deepcopy(LAYERS[name]))
    tune_convolutions(layer)
    x = torch.randn(2, layer[0].in_channels, *sides(layer[0]), requires_grad=True)
    with profile() as recorded, second_derivatives():
        (first,) = torch.autograd.grad(layer(x).sum(), x, create_graph=True)
        torch.autograd.grad(first.square().sum(), [layer[0].weight])
    calls = {each.key: each.count for each in recorded.key_averages()}
    assert calls["aten::convolution"] == 2
    assert calls["aten::convolution_backward"] == 1


def test_a_batch_of_one_without_its_dimension_and_a_wished_size() -> None:
    layer = nn.ConvTranspose2d(4, 3, 4, 2, 1)
    tuned = nn.Sequential(copy.deepcopy(layer))
    tune_convolutions(tuned)
    x = torch.randn(4, 5, 6)
    torch.testing.assert_close(tuned(x), layer(x))
    torch.testing.assert_close(tuned[0](x[None], [11, 13]), layer(x[None], [11, 13]))


@pytest.mark.parametrize("name", ["2d", "transposed 3d"])
def test_a_spectral_norm_is_taken_as_often(name: str) -> None:
    layer = copy.deepcopy(LAYERS[name])
    spectral_norm(layer)
    tuned = nn.Sequential(copy.deepcopy(layer))
    tune_convolutions(tuned)
    x = torch.randn(2, layer.in_channels, *sides(layer))
    torch.testing.assert_close(tuned(x), layer(x))
    for ours, theirs in zip(tuned.buffers(), layer.buffers(), strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("name", AS_THEY_ARE)
def test_others_stay_as_they_are(name: str) -> None:
    layer = copy.deepcopy(AS_THEY_ARE[name])
    tuned = nn.Sequential(copy.deepcopy(layer))
    tune_convolutions(tuned)
    assert type(tuned[0]) is type(layer)


@pytest.mark.parametrize("name", ["3d, few places", "transposed 2d", "transposed 2d, few places"])
@pytest.mark.usefixtures("products")
def test_what_does_not_fit_is_refused_as_by_torch(name: str) -> None:
    layer = copy.deepcopy(LAYERS[name])
    tuned = nn.Sequential(copy.deepcopy(layer))
    tune_convolutions(tuned)
    size = (2, layer.in_channels, *sides(layer))
    for wrong in (torch.rand(size)[:, 1:], torch.rand(size).long(), torch.rand(size)[..., :0]):
        with pytest.raises(RuntimeError) as ours:
            tuned(wrong)
        with pytest.raises(RuntimeError) as theirs:
            layer(wrong)
        assert str(ours.value) == str(theirs.value)


def test_padding_that_cuts_all_pixels_away_is_refused_as_by_torch() -> None:
    tuned = nn.Sequential(nn.ConvTranspose2d(5, 3, 2, 2, 1))
    tune_convolutions(tuned)
    with pytest.raises(RuntimeError, match="Output size is too small"):
        tuned(torch.ones(1, 5, 1, 3))


@pytest.mark.parametrize("name", ["2d, few places", "transposed 2d"])
def test_functions_of_it_are_transformed_as_torchs(name: str) -> None:
    layer = copy.deepcopy(LAYERS[name]).double()
    tuned = nn.Sequential(copy.deepcopy(layer))
    tune_convolutions(tuned)
    x = torch.randn(3, 2, layer.in_channels, *sides(layer), dtype=torch.float64)
    ours, theirs = (
        torch.func.vmap(torch.func.grad(lambda x, f=f: f(x).square().sum()))(x)
        for f in (tuned, layer)
    )
    torch.testing.assert_close(ours, theirs)


@pytest.mark.usefixtures("products")
@pytest.mark.parametrize("provided", components("generator") + components("discriminator"))
def test_a_network_is_the_same_function(provided: Provided) -> None:
    target = REGISTRY.load(provided.component.kind, provided.component.name)
    network = target(with_clip(provided, SMALL), **small_options(provided)).double()
    tuned = copy.deepcopy(network)
    tune_convolutions(tuned)
    rng = torch.Generator().manual_seed(0)
    video = torch.rand(2, *SMALL.shape, dtype=torch.float64, generator=rng) * 2 - 1

    def outcome(player: nn.Module) -> list[Tensor]:
        torch.manual_seed(0)
        if provided.component.kind == "generator":
            noise = player.noise(2, torch.Generator().manual_seed(0))
            noise = {name: z.double() for name, z in noise.items()}
            clip = {name: given.double() for name, given in of_clip(player, 2).items()}
            made = player(noise, clip).video
            return [made, *torch.autograd.grad(made.square().sum(), list(player.parameters()))]
        x = video.clone().requires_grad_()
        scores = sum(score.sum() for score in player(x, {}).scores)
        return [scores, *torch.autograd.grad(scores, [x, *player.parameters()])]

    for ours, theirs in zip(outcome(tuned), outcome(network), strict=True):
        torch.testing.assert_close(ours, theirs)
