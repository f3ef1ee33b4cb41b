"""Weights between those before and those after adversarial training.

Network interpolation, Wang et al. 2018, "ESRGAN", section 3.4: (1 - s) of the weights that a pixel
loss was minimised with, and s of those that an adversarial loss was added to.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from vidgan_core.errors import UsageError
from vidgan_core.inference.sampler import Sampler


def blended(sampler: Sampler, run: Path, share: float) -> Sampler:
    """Return a sampler whose generator has `share` of its weights from after `loss.start`.

    Raises UsageError for a run that has no adversarial training, or no checkpoint before it.
    """
    start = sampler.config.loss.start
    if not 0 < start < sampler.step:
        raise UsageError(
            f"--sharpness: {run} has nothing before adversarial training and after it: "
            f"loss.start is {start}, the step {sampler.step}"
        )
    device = str(next(sampler.generator.parameters()).device)
    before = Sampler.load(run, step=start, device=device, registry=sampler.registry)
    old = before.generator.state_dict()
    new = sampler.generator.state_dict()
    mixed = {
        name: torch.lerp(old[name], value, share) if value.is_floating_point() else value
        for name, value in new.items()
    }
    sampler.generator.load_state_dict(mixed)
    hashes = f"{before.model_hash}+{share:g}*{sampler.model_hash}"
    return replace(sampler, model_hash=hashes)
