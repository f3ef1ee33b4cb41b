"""The average of the generator against its closed form."""

from __future__ import annotations

import torch
from conftest import REGISTRY, SMALL

from vidgan_core.training.ema import EMA


def test_it_follows_the_warmed_up_average_and_copies_buffers() -> None:
    source = REGISTRY.load("generator", "conv3d")(SMALL, width=2)
    ema = EMA(source, 0.3)
    expected = {name: p.detach().clone() for name, p in source.named_parameters()}
    for step in range(12):
        with torch.no_grad():
            for parameter in source.parameters():
                parameter.add_(torch.randn_like(parameter))
            for buffer in source.buffers():
                buffer.add_(1)
        ema.update()
        decay = min(0.3, (1 + step) / (20 + step))
        for name, parameter in source.named_parameters():
            expected[name] = decay * expected[name] + (1 - decay) * parameter.detach()
    for name, parameter in ema.network.named_parameters():
        torch.testing.assert_close(parameter, expected[name])
        assert not parameter.requires_grad
    for (name, mine), theirs in zip(ema.network.named_buffers(), source.buffers(), strict=True):
        assert torch.equal(mine, theirs), name
    assert not ema.network.training


def test_without_decay_it_is_the_source() -> None:
    source = REGISTRY.load("generator", "mlp")(SMALL)
    ema = EMA(source, 0.0)
    with torch.no_grad():
        for parameter in source.parameters():
            parameter.mul_(3)
    ema.update()
    assert all(
        torch.equal(a, b)
        for a, b in zip(ema.network.parameters(), source.parameters(), strict=True)
    )
