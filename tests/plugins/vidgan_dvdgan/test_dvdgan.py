"""DVD-GAN next to its paper: Clark, Donahue & Simonyan 2019, section 3 and appendix A.2."""

from __future__ import annotations

import pytest
import torch
from conftest import REGISTRY, SMALL
from torch import Tensor, nn
from torch.nn.functional import conv2d
from vidgan_dvdgan.blocks import ConditionalNorm, ConvGRU, SelfAttention

from vidgan_core.interfaces import DataSpec, Discriminator, Generator

pytestmark = pytest.mark.usefixtures("one_thread")


def generator(spec: DataSpec = SMALL, width: int = 2) -> Generator:
    network: Generator = REGISTRY.load("generator", "dvdgan")(spec, width=width)
    return network


def discriminator(spec: DataSpec = SMALL, **options: int) -> Discriminator:
    network: Discriminator = REGISTRY.load("discriminator", "dvdgan")(spec, **options)
    return network


@pytest.mark.parametrize(
    ("size", "of_generator", "of_critics"),
    [(64, [8, 8, 8, 4, 2], [2, 4, 8, 16, 16]), (128, [8, 8, 8, 4, 4, 2], [1, 2, 4, 8, 16, 16])],
)
def test_the_channels_are_the_papers(
    size: int, of_generator: list[int], of_critics: list[int]
) -> None:
    spec = DataSpec(3, 2, size, size)
    network = generator(spec, width=1)
    sizes: list[tuple[int, ...]] = []
    for module in network.modules():
        if isinstance(module, ConvGRU):
            module.register_forward_hook(lambda _, i, out: sizes.append(tuple(out.shape[2:])))
    network(network.noise(2, torch.Generator()), {})
    assert sizes == [(c, 4 << n, 4 << n) for n, c in enumerate(of_generator[:-1])]
    assert network.to_pixels.in_channels == of_generator[-1]
    critics = discriminator(spec, width=1)
    spatial = [b.layers[3].out_channels for b in critics.spatial if hasattr(b, "layers")]
    temporal = [b.layers[3].out_channels for b in (*critics.temporal, *critics.by_frame)]
    assert spatial == temporal == of_critics


def test_a_gru_by_hand() -> None:
    gru, x = ConvGRU(3), torch.randn(2, 4, 3, 5, 6)

    def layer(module: nn.Conv2d, *inputs: Tensor) -> Tensor:
        return conv2d(torch.cat(inputs, 1), module.weight, module.bias, padding=1)

    state = torch.zeros(2, 3, 5, 6)
    for time, output in enumerate(gru(x).unbind(1)):
        reset = 1 / (1 + torch.exp(-layer(gru.reset, state, x[:, time])))
        update = 1 / (1 + torch.exp(-layer(gru.update, state, x[:, time])))
        candidate = layer(gru.candidate, x[:, time], reset * state).clamp(min=0)
        state = update * state + (1 - update) * candidate
        torch.testing.assert_close(output, state)


def test_a_norms_gain_and_bias_come_from_the_code_and_its_statistics_from_one_frame() -> None:
    norm, x, code = (
        ConditionalNorm(3, frames=2, code=4),
        torch.randn(10, 3, 4, 4),
        torch.randn(5, 4),
    )
    x[1::2] = 7 * x[1::2] + 3  # the second frames are brighter and richer
    output = norm(x, code).unflatten(0, (5, 2))
    clips = x.unflatten(0, (5, 2))
    for time in range(2):
        for channel in range(3):
            values = clips[:, time, channel]
            normal = (values - values.mean()) / (values.var(correction=0) + 1e-5).sqrt()
            gain, bias = 1 + code @ norm.gain.weight[channel], code @ norm.bias.weight[channel]
            expected = normal * gain[:, None, None] + bias[:, None, None]
            torch.testing.assert_close(output[:, time, channel], expected, rtol=1e-4, atol=1e-5)


def test_attention_place_by_place() -> None:
    layer, x = SelfAttention(8), torch.randn(1, 8, 4, 6)
    torch.nn.init.constant_(layer.gain, 0.7)
    output = layer(x)
    pool = nn.MaxPool2d(2)
    query, key, value = layer.query(x)[0], pool(layer.key(x))[0], pool(layer.value(x))[0]
    for row, column in ((0, 0), (3, 5)):
        weights = torch.exp((query[:, row, column, None, None] * key).sum(0))
        observed = (weights / weights.sum() * value).sum((1, 2))
        expected = x[0, :, row, column] + 0.7 * layer.out.weight[:, :, 0, 0] @ observed
        torch.testing.assert_close(output[0, :, row, column], expected)


def test_every_weight_layer_starts_orthogonal_with_norm_one() -> None:
    for network in (generator(), discriminator(width=2)):
        layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Conv3d | nn.Linear)]
        assert len(layers) > 20
        for layer in layers:
            matrix = layer.weight.flatten(1)
            torch.testing.assert_close(
                torch.linalg.svdvals(matrix), torch.ones(min(matrix.shape)), rtol=1e-3, atol=1e-3
            )


def test_one_critic_sees_frames_and_one_the_clip_at_half_its_size() -> None:
    critics = discriminator(width=2, frames_a_clip=5)
    observed: dict[str, Tensor] = {}
    for name in ("spatial", "temporal"):
        getattr(critics, name).register_forward_pre_hook(
            lambda _, inputs, name=name: observed.update({name: inputs[0]})
        )
    video = torch.randn(2, 3, 8, 32, 32)
    scores = critics(video, {}).scores
    assert [tuple(s.shape) for s in scores] == [(2, 1), (2, 1)]
    assert observed["spatial"].shape == (10, 3, 32, 32)
    frames = video.transpose(1, 2)
    for row, frame in enumerate(observed["spatial"]):
        assert any(torch.equal(frame, other) for other in frames[row // 5])
    halved = video.unflatten(3, (16, 2)).unflatten(5, (16, 2)).mean((4, 6))
    torch.testing.assert_close(observed["temporal"], halved)
