"""What was tried and is not used, each against what is: python benchmarks/tried.py

Times are minima of alternating rounds in one process.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from conftest import REGISTRY, configured, seconds
from curves import measured
from torch import nn

from vidgan_core.inference.sampler import sample
from vidgan_core.training.run import Run

ROUNDS = 5


def compare(name: str, ours: Callable[[], object], other: Callable[[], object]) -> None:
    ours()
    warm_up = seconds(other)
    pairs = [(seconds(ours), seconds(other)) for _ in range(ROUNDS)]
    mine, theirs = (min(column) for column in zip(*pairs, strict=True))
    times = f"{theirs * 1e3:.1f} ms against {mine * 1e3:.1f} ms; the first call {warm_up:.1f} s"
    print(f"{name}: {theirs / mine:.2f}x the time ({times})", flush=True)


def inference_mode() -> None:
    run = Run(configured("conv3d"), REGISTRY)

    def inferred() -> None:
        with torch.inference_mode():
            sample(run.sampled, 8, seed=0)

    compare("torch.inference_mode", lambda: sample(run.sampled, 8, seed=0), inferred)


def contiguous() -> None:
    run, other = (
        Run(configured("conv3d", f"trainer.channels_last={flag}"), REGISTRY)
        for flag in ("true", "false")
    )
    compare("plain layout", run.trainer.step, other.trainer.step)


def new_fakes() -> None:
    run, other = (
        Run(configured("conv3d", f"game.reuse_fakes={flag}"), REGISTRY)
        for flag in ("true", "false")
    )
    compare("new fakes in the generator's phase", run.trainer.step, other.trainer.step)


def adam_as_they_are() -> None:
    """Torch's fused Adam, which copies gradients that are not in the plain order."""
    run = Run(configured("conv3d", "generator.width=64", "discriminator.width=64"), REGISTRY)
    weights = list(run.networks["discriminator"].parameters())
    for weight in weights:
        weight.grad = torch.randn_like(weight)
    other = torch.optim.Adam(weights, fused=True)
    compare("Adam as torch has it", run.trainer.optimizers["discriminator"].step, other.step)


def pixel_shuffle() -> None:
    """A stride-2 transposed convolution as a convolution to 8 times the channels, rearranged."""
    transposed = nn.ConvTranspose3d(128, 64, 4, 2, 1)
    wide = nn.Conv3d(128, 8 * 64, 3, 1, 1)
    for layer in (transposed, wide):
        layer.to(memory_format=torch.channels_last_3d)
    x = torch.randn(8, 128, 8, 16, 16).contiguous(memory_format=torch.channels_last_3d)

    def shuffled() -> torch.Tensor:
        y = wide(x).unflatten(1, (64, 2, 2, 2))  # (B, 64, 2, 2, 2, T, H, W)
        return y.permute(0, 1, 5, 2, 6, 3, 7, 4).reshape(8, 64, 16, 32, 32)

    compare(
        "convolution and pixel shuffle for a transposed convolution",
        lambda: transposed(x).sum().backward(),
        lambda: shuffled().sum().backward(),
    )


def malloc() -> None:
    """Each in processes of its own; the variable says nothing, and so that malloc is left alone."""
    wide = ("data.frames=32", "generator.width=64", "discriminator.width=64")
    pairs = [
        (
            measured("conv3d", *wide)["seconds"],
            measured("conv3d", *wide, GLIBC_TUNABLES="")["seconds"],
        )
        for _ in range(2)
    ]
    mine, theirs = (min(column) for column in zip(*pairs, strict=True))
    print(
        f"memory given back when it is freed: {theirs / mine:.2f}x the time "
        f"({theirs * 1e3:.1f} ms against {mine * 1e3:.1f} ms)",
        flush=True,
    )


def compiled() -> None:
    run, other = (
        Run(configured("conv3d", f"trainer.compile={flag}"), REGISTRY) for flag in ("false", "true")
    )
    compare("torch.compile", run.trainer.step, other.trainer.step)


if __name__ == "__main__":
    for attempt in (
        inference_mode,
        contiguous,
        new_fakes,
        adam_as_they_are,
        pixel_shuffle,
        malloc,
        compiled,
    ):
        attempt()
