"""The hooks by which CPUs are made fast: who calls them, when, and what happens without them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import REGISTRY, assert_same, last_weights, needs_bf16, small
from torch import nn

from vidgan_core.device import BF16, FP32
from vidgan_core.errors import UsageError
from vidgan_core.inference.load_generator import load_ready
from vidgan_core.inference.sampler import Sampler, find_checkpoint, sample
from vidgan_core.plugins.discovery import plugins
from vidgan_core.plugins.registry import Registry
from vidgan_core.runs.folder import RunDir
from vidgan_core.training.prepare import precision_of, prepare_module
from vidgan_core.training.run import Run

CPU = torch.device("cpu")
WITHOUT = Registry(found for found in plugins() if found[1].value != "vidgan_cpu")


def trained(registry: Registry, folder: str, *settings: str) -> Run:
    """A run of two steps."""
    config = small("conv3d", "minimax", "steps=2", *settings)
    run = Run(config, registry)
    run.begin(RunDir.create(Path(folder), "run"))
    assert run.fit()
    return run


def layers(network: nn.Module) -> list[type]:
    """The classes of all layers, by their bases: a tuned one is made anew for each process."""
    return [type(layer) for layer in network.modules()]


def tuned(network: nn.Module) -> bool:
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv3d | nn.ConvTranspose3d)]
    changed = {type(m).__module__ != "torch.nn.modules.conv" for m in convolutions}
    assert len(changed) == 1, "some convolutions are tuned and others are not"
    return changed.pop()


def test_training_sampling_and_evaluation_see_the_same_layers() -> None:
    run = trained(REGISTRY, "run")
    sampler = Sampler.load("run", device="cpu", registry=REGISTRY)
    measured, _ = load_ready(find_checkpoint(Path("run")), REGISTRY, CPU)
    assert tuned(run.networks["discriminator"])
    assert tuned(run.networks["generator"])
    for other in (run.sampled, sampler.generator, measured):
        assert layers(other) == layers(run.networks["generator"])
    clips = sample(run.sampled, 2, seed=1)
    assert torch.equal(clips, sampler.sample(2, seed=1))
    assert torch.equal(clips, sample(measured, 2, seed=1))


def test_without_the_plugin_everything_trains_in_plain_layout() -> None:
    """To the same weights but for the order of sums, and its checkpoints are no others."""
    run = trained(WITHOUT, "without", "trainer.precision=fp64")
    assert not tuned(run.networks["generator"])
    assert not tuned(run.networks["discriminator"])
    assert all(p.is_contiguous() for p in run.networks["discriminator"].parameters())
    trained(REGISTRY, "with", "trainer.precision=fp64")
    theirs = last_weights("with")
    for name, tensor in last_weights("without").items():
        torch.testing.assert_close(tensor, theirs[name])
    plain = Sampler.load("with", device="cpu", registry=WITHOUT)
    assert not tuned(plain.generator)
    again = Sampler.load("with", device="cpu", registry=REGISTRY)
    torch.testing.assert_close(plain.sample(2), again.sample(2))


def test_the_plugin_is_left_out_of_a_run_that_asks_for_no_layout() -> None:
    run = trained(REGISTRY, "run", "trainer.channels_last=false")
    assert not tuned(run.networks["generator"])
    assert not tuned(Sampler.load("run", device="cpu", registry=REGISTRY).generator)
    trained(WITHOUT, "without", "trainer.channels_last=false")
    assert_same(last_weights("run"), last_weights("without"))


def test_bf16_on_a_cpu_is_for_those_who_correct_its_gradients(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    assert precision_of("auto", CPU, REGISTRY) == precision_of("bf16", CPU, REGISTRY) == BF16
    assert precision_of("auto", CPU, WITHOUT) == FP32
    assert precision_of("fp32", CPU, WITHOUT) == FP32
    with pytest.raises(UsageError, match="wrong in bf16; --precision fp32, or a plugin that"):
        precision_of("bf16", CPU, WITHOUT)
    with pytest.raises(UsageError, match="wrong in bf16"):
        Run(small("mlp", "minimax", "trainer.precision=bf16"), WITHOUT)


@pytest.mark.parametrize("channels_last", [True, False])
def test_bf16_is_corrected_in_any_layout(channels_last: bool) -> None:
    network = nn.Sequential(nn.Conv3d(2, 3, 3), nn.Conv3d(3, 2, 3, dilation=2))
    prepare_module(network, REGISTRY, CPU, BF16, channels_last=channels_last)
    assert [type(layer).__mro__[1].__name__ for layer in network] == ["_Widened"] * 2


@needs_bf16
def test_a_run_in_bf16_is_corrected_in_the_plain_layout_too() -> None:
    run = trained(REGISTRY, "run", "trainer.precision=bf16", "trainer.channels_last=false")
    assert tuned(run.networks["generator"])


MANIFEST = """
from vidgan_core import hookimpl

prepared = []

@hookimpl
def vidgan_prepare_module(module, device, precision, channels_last):
    prepared.append((type(module).__name__, str(device), precision.name, channels_last))
    {then}
"""


def test_anybodys_plugin_is_given_every_module(install: Callable[..., None]) -> None:
    install("fast", MANIFEST.replace("{then}", ""))
    registry = Registry.discover()
    Run(small("mlp", "minimax", "trainer.channels_last=false", "term.r1.every=1"), registry)
    import stranger_fast  # type: ignore[import-not-found]

    assert ("MLPGenerator", "cpu", "fp32", False) in stranger_fast.prepared
    assert ("MLPDiscriminator", "cpu", "fp32", False) in stranger_fast.prepared
    assert len(stranger_fast.prepared) == 3


def test_a_plugin_that_fails_to_prepare_is_left_out(
    install: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    install("fast", MANIFEST.replace("{then}", "raise RuntimeError('no')"))
    registry = Registry.discover()
    run = Run(small("mlp"), registry)
    assert run.trainer.step()
    assert [f.provider.distribution for f in registry.failures] == ["stranger-fast"]
    assert "stranger-fast 1.2 (stranger_fast) failed in vidgan_prepare_module" in caplog.text
