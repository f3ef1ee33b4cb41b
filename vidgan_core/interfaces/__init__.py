"""What a plugin implements: one base class for each kind of component.

A video is a float tensor (B, C, T, H, W) in [-1, 1]: batch, channels, frames, height, width.
The options of a component are the keyword-only parameters of its constructor, with annotations,
defaults and bounds from `annotated_types`: that signature is the schema of its config table.

May import the ground floor alone. The names below are imported when they are asked for: processes
that read clips use `interfaces.dataset` without torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vidgan_core.interfaces.augment import Augment
    from vidgan_core.interfaces.dataset import Dataset, DataSpec, Field, Split
    from vidgan_core.interfaces.metrics import (
        Better,
        ClipSet,
        Defect,
        ErrorBy,
        Evidence,
        Features,
        Metric,
    )
    from vidgan_core.interfaces.networks import (
        Discriminator,
        Fake,
        Generator,
        Network,
        Tensors,
        Verdict,
    )
    from vidgan_core.interfaces.objectives import Loss, Player, StepContext, Term

_MODULES = {
    "augment": ("Augment",),
    "dataset": ("DataSpec", "Dataset", "Field", "Split"),
    "metrics": ("Better", "ClipSet", "Defect", "ErrorBy", "Evidence", "Features", "Metric"),
    "networks": ("Discriminator", "Fake", "Generator", "Network", "Tensors", "Verdict"),
    "objectives": ("Loss", "Player", "StepContext", "Term"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "Augment",
    "Better",
    "ClipSet",
    "DataSpec",
    "Dataset",
    "Defect",
    "Discriminator",
    "ErrorBy",
    "Evidence",
    "Fake",
    "Features",
    "Field",
    "Generator",
    "Loss",
    "Metric",
    "Network",
    "Player",
    "Split",
    "StepContext",
    "Tensors",
    "Term",
    "Verdict",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
