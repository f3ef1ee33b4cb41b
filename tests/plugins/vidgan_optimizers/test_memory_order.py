"""Optimizers, in every order of memory, against torch's own loop over tensors."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from conftest import REGISTRY
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

LAYOUTS = {"plain": torch.contiguous_format, "channels last": torch.channels_last_3d}
RATE = 0.01
# What each is in torch: the class, and options for both.
REFERENCES: list[tuple[str, type[Optimizer], dict[str, Any]]] = [
    ("adam", Adam, {"betas": [0.5, 0.999]}),
    ("adam", Adam, {"betas": [0.0, 0.9], "eps": 1e-4, "weight_decay": 0.1}),
    ("adamw", AdamW, {"betas": [0.5, 0.999], "weight_decay": 0.01}),
    ("adamw", AdamW, {"betas": [0.9, 0.99], "eps": 1e-6, "weight_decay": 0.5}),
    ("rmsprop", RMSprop, {}),
    ("rmsprop", RMSprop, {"alpha": 0.9, "eps": 1e-3, "momentum": 0.5, "weight_decay": 0.1}),
    ("sgd", SGD, {}),
    ("sgd", SGD, {"momentum": 0.9, "weight_decay": 0.1}),
    ("sgd", SGD, {"momentum": 0.9, "nesterov": True}),
]


@pytest.mark.parametrize("weight", LAYOUTS)
@pytest.mark.parametrize("gradient", LAYOUTS)
@pytest.mark.parametrize(
    ("name", "kind", "options"), REFERENCES, ids=[f"{n}-{len(o)}" for n, _, o in REFERENCES]
)
def test_updates_are_torchs_in_every_layout(
    name: str, kind: type[Optimizer], options: dict[str, Any], weight: str, gradient: str
) -> None:
    ours = nn.Parameter(torch.randn(5, 3, 4, 4, 4).contiguous(memory_format=LAYOUTS[weight]))
    reference = nn.Parameter(ours.detach().contiguous())
    fused = {"fused": False} if kind is not RMSprop else {}
    optimizers = [
        REGISTRY.create("optimizer", name, options=options).build([{"params": [ours]}], RATE),
        kind([reference], lr=RATE, foreach=False, **fused, **options),
    ]
    for _ in range(4):
        reference.grad = torch.randn(reference.shape)
        ours.grad = reference.grad.contiguous(memory_format=LAYOUTS[gradient])
        for each in optimizers:
            each.step()
    torch.testing.assert_close(ours, reference)
    assert ours.is_contiguous(memory_format=LAYOUTS[weight])


def test_every_optimizer_is_compared() -> None:
    ours = {n for n in REGISTRY.names("optimizer")
            if REGISTRY.get("optimizer", n).provider.module == "vidgan_optimizers"}  # fmt: skip
    assert {name for name, _, _ in REFERENCES} == ours
