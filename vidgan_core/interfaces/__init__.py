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
    from vidgan_core.interfaces.augment import AdaptiveAugment, Augment, AugmentedDiscriminator
    from vidgan_core.interfaces.callback import Callback, TrainingRun
    from vidgan_core.interfaces.dataset import Dataset, DataSpec, Field, FieldKind, Split
    from vidgan_core.interfaces.game import (
        Game,
        GameParts,
        Phase,
        PhaseBatch,
        Scalars,
        WeightedTerm,
    )
    from vidgan_core.interfaces.metrics import (
        Better,
        ClipSet,
        Degradation,
        ErrorBy,
        Evidence,
        Features,
        Metric,
        PairedMetric,
    )
    from vidgan_core.interfaces.networks import (
        Discriminator,
        Fake,
        Generator,
        Network,
        StreamingGenerator,
        Tensors,
        Verdict,
    )
    from vidgan_core.interfaces.objectives import Loss, Player, StepContext, Term
    from vidgan_core.interfaces.optimizer import OptimizerFactory
    from vidgan_core.interfaces.task import Task

_MODULES = {
    "augment": ("AdaptiveAugment", "Augment", "AugmentedDiscriminator"),
    "callback": ("Callback", "TrainingRun"),
    "dataset": ("DataSpec", "Dataset", "Field", "FieldKind", "Split"),
    "game": ("Game", "GameParts", "Phase", "PhaseBatch", "Scalars", "WeightedTerm"),
    "metrics": (
        *("Better", "ClipSet", "Degradation", "ErrorBy", "Evidence", "Features", "Metric"),
        "PairedMetric",
    ),
    "networks": (
        *("Discriminator", "Fake", "Generator", "Network", "StreamingGenerator", "Tensors"),
        "Verdict",
    ),
    "objectives": ("Loss", "Player", "StepContext", "Term"),
    "optimizer": ("OptimizerFactory",),
    "task": ("Task",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "AdaptiveAugment",
    "Augment",
    "AugmentedDiscriminator",
    "Better",
    "Callback",
    "ClipSet",
    "DataSpec",
    "Dataset",
    "Degradation",
    "Discriminator",
    "ErrorBy",
    "Evidence",
    "Fake",
    "Features",
    "Field",
    "FieldKind",
    "Game",
    "GameParts",
    "Generator",
    "Loss",
    "Metric",
    "Network",
    "OptimizerFactory",
    "PairedMetric",
    "Phase",
    "PhaseBatch",
    "Player",
    "Scalars",
    "Split",
    "StepContext",
    "StreamingGenerator",
    "Task",
    "Tensors",
    "Term",
    "TrainingRun",
    "Verdict",
    "WeightedTerm",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
