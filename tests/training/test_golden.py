"""Golden runs: 20 steps of each architecture in fp32 end in weights that were written down.

They were recorded before the code was moved into rooms. Sums depend on the processor's kernels:
where a small network does not come out as it did there, the comparison means nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from conftest import REGISTRY, configured
from torch import nn

from vidgan_core.runs.folder import RunDir
from vidgan_core.training.run import Run

GOLDEN = json.loads(Path(__file__).with_name("golden.json").read_text())


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    """The recording's number of threads: sums over a batch may be split among them."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def digest(network: nn.Module, prefix: str) -> str:
    """Return a hash of a network's names and weights."""
    result = hashlib.sha256()
    state = {f"{prefix}.{name}": tensor for name, tensor in network.state_dict().items()}
    for name in sorted(state):
        result.update(name.encode())
        result.update(state[name].contiguous().numpy().tobytes())
    return result.hexdigest()[:16]


def fingerprint() -> str:
    """Return a hash of what this machine's kernels make of a few layers and their gradients."""
    torch.manual_seed(0)
    layers = nn.Sequential(
        nn.Conv3d(3, 8, 4, 2, 1), nn.LeakyReLU(0.2), nn.ConvTranspose3d(8, 3, 4, 2, 1), nn.Tanh()
    )
    x = torch.randn(2, 3, 4, 8, 8)
    made = layers(x)
    gradients = torch.autograd.grad(made, list(layers.parameters()), torch.randn_like(made))
    numbers = b"".join(t.detach().contiguous().numpy().tobytes() for t in (made, *gradients))
    return hashlib.sha256(numbers).hexdigest()[:16]


@pytest.mark.slow
@pytest.mark.parametrize("generator", GOLDEN["networks"])
def test_twenty_steps_end_in_the_recorded_weights(generator: str) -> None:
    if fingerprint() != GOLDEN["fingerprint"]:
        pytest.skip("this processor's kernels round otherwise than those of the recording")
    off = (f"callback.{name}.enabled=false" for name in REGISTRY.defaults("callback"))
    config = configured(
        "steps=20",
        "data.batch=4",
        "trainer.precision=fp32",
        "trainer.device=cpu",
        *off,
        generator=generator,
        data="digits",
    )
    run = Run(config, REGISTRY)
    run.begin(RunDir.create(Path("out"), "run"))
    assert run.fit()
    found = {player: digest(network, player) for player, network in run.networks.items()}
    assert found == GOLDEN["networks"][generator]
