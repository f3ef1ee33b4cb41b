"""Print how fast each convolution of a step is by itself: python benchmarks/layers.py [GENERATOR]

The networks of a `conv3d` step at width 64, layer by layer on the inputs they have in it, against
the fastest 3D convolution of this processor. What the layers reach is what the step could.
"""

from __future__ import annotations

import sys
from functools import partial

import torch
from conftest import REGISTRY, configured, seconds
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from vidgan_core.device import Precision
from vidgan_core.training.run import Run

LAYERS = nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.ConvTranspose3d
SETTINGS = ("data.frames=32", "data.batch=8", "generator.width=64", "discriminator.width=64")
ROUNDS = 4


def main(generator: str) -> None:
    run = Run(configured(generator, *SETTINGS), REGISTRY)
    print("| | GFLOP | forward | GFLOP/s | backward | GFLOP/s |\n|---|---|---|---|---|---|")
    for player in (run.networks["generator"], run.networks["discriminator"]):
        inputs_of: dict[str, Tensor] = {}
        for name, layer in player.named_modules():
            if isinstance(layer, LAYERS):
                layer.register_forward_pre_hook(partial(keep, inputs_of, name))
        run.trainer.step()
        layers = dict(player.named_modules())
        for name, x in inputs_of.items():
            row(f"{type(player).__name__}, {name}", layers[name], x, run.precision)
    best = nn.Conv3d(256, 256, 3, padding=1).to(memory_format=torch.channels_last_3d)
    x = torch.randn(8, 256, 8, 16, 16).contiguous(memory_format=torch.channels_last_3d)
    row("256 channels, 3x3x3", best, x, run.precision)
    print(f"in {run.precision.name}")
    run.batches.close()


def keep(inputs_of: dict[str, Tensor], name: str, layer: nn.Module, inputs: tuple[Tensor]) -> None:
    """Remember what a layer is given."""
    inputs_of[name] = inputs[0].detach()


def row(name: str, layer: nn.Module, x: Tensor, precision: Precision) -> None:
    """Time a layer's forward and backward pass on an input, in the run's precision."""
    x = x.to(precision.compute).requires_grad_(True)

    def made() -> Tensor:
        with precision.autocast(x.device):
            y: Tensor = layer(x)
            return y

    with FlopCounterMode(display=False) as counter:
        gradient = torch.ones_like(made())
    gflop = counter.get_total_flops() / 1e9
    forward, both = [], []
    for _ in range(ROUNDS):
        forward.append(seconds(made))
        both.append(seconds(lambda: made().backward(gradient)))
    there, back = min(forward), min(both) - min(forward)
    print(
        f"| {name} | {gflop:.1f} | {there * 1e3:.0f} ms | {gflop / there:.0f} "
        f"| {back * 1e3:.0f} ms | {2 * gflop / back:.0f} |",
        flush=True,
    )


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["conv3d"]))
