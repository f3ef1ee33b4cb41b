"""The players' optimizers, against torch's own loop over tensors."""

from __future__ import annotations

import pytest
import torch
from conftest import small
from torch import nn
from vidgan_core.training.optimizer import optimizer

LAYOUTS = {"plain": torch.contiguous_format, "channels last": torch.channels_last_3d}


@pytest.mark.parametrize("weight", LAYOUTS)
@pytest.mark.parametrize("gradient", LAYOUTS)
def test_an_update_is_the_same_in_every_layout(weight: str, gradient: str) -> None:
    config = small("conv3d")
    ours = nn.Parameter(torch.randn(5, 3, 4, 4, 4).contiguous(memory_format=LAYOUTS[weight]))
    reference = nn.Parameter(ours.detach().contiguous())
    network = nn.ParameterList([ours])
    rate, betas = config.rate("generator", 0), config.trainer.betas
    optimizers = [
        optimizer("generator", network, config),
        torch.optim.Adam([reference], rate, betas, foreach=False, fused=False),
    ]
    for _ in range(3):
        reference.grad = torch.randn(reference.shape)
        ours.grad = reference.grad.contiguous(memory_format=LAYOUTS[gradient])
        for each in optimizers:
            each.step()
    torch.testing.assert_close(ours, reference)
    assert ours.is_contiguous(memory_format=LAYOUTS[weight])
