"""The same things on a GPU: a step, bf16, sampling, resuming."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from conftest import REGISTRY, small

from vidgan_core import load
from vidgan_core.plugins.registry import Registry
from vidgan_core.runs import checkpoint
from vidgan_core.runs.folder import RunDir
from vidgan_core.training.run import Run

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA GPU"),
]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("generator", REGISTRY.names("generator"))
def test_a_step(generator: str, precision: str) -> None:
    config = small(generator, "minimax", "trainer.device=cuda", f"trainer.precision={precision}")
    run = Run(config, REGISTRY)
    before = [p.clone() for p in run.networks["generator"].parameters()]
    scalars = run.trainer.step()
    assert scalars
    assert all(value.device.type == "cuda" and value.isfinite() for value in scalars.values())
    after = list(run.networks["generator"].parameters())
    assert all(p.dtype == torch.float32 and p.device.type == "cuda" for p in after)
    assert all(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_the_first_step_is_that_of_the_cpu() -> None:
    losses = {}
    for device in ("cpu", "cuda"):
        run = Run(
            small("conv3d", "minimax", f"trainer.device={device}", "trainer.precision=fp32"),
            REGISTRY,
        )
        scalars = run.trainer.step()
        assert scalars
        losses[device] = {name: value.item() for name, value in scalars.items()}
    assert losses["cuda"] == pytest.approx(losses["cpu"], rel=1e-2)


def test_sampling_and_resuming() -> None:
    def fit(name: str, steps: int, *, resumed: bool = False) -> None:
        config = small("conv3d", "minimax", f"steps={steps}", "trainer.device=cuda")
        run = Run(config, Registry.discover())
        if resumed:
            folder = RunDir.open(Path(name))
            run.resume(folder, checkpoint.newest(folder.checkpoints))
        else:
            run.begin(RunDir.create(Path(name), "run"))
        assert run.fit()

    fit("whole", 4)
    fit("parts", 2)
    fit("parts", 4, resumed=True)
    clips = [load(name, device="cuda").sample(2) for name in ("whole", "parts")]
    assert clips[0].shape == (2, 3, 4, 16, 16)
    torch.testing.assert_close(clips[0], clips[1], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(
        load("whole", device="cpu").sample(2), clips[0], rtol=1e-2, atol=1e-2
    )
