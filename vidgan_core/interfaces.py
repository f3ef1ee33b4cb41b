"""What a plugin implements: one base class for each kind of component.

A video is a float tensor (B, C, T, H, W) in [-1, 1]: batch, channels, frames, height, width.
The options of a component are the keyword-only parameters of its constructor, with annotations,
defaults and bounds from `annotated_types`: that signature is the schema of its config table.
"""

from __future__ import annotations

from collections.abc import Mapping

from vidgan_core.component import Kind
from vidgan_core.dataset import Dataset, DataSpec, Field, Split
from vidgan_core.measures import Better, ClipSet, Defect, ErrorBy, Evidence, Features, Metric
from vidgan_core.players import (
    Augment,
    Discriminator,
    Fake,
    Generator,
    Loss,
    Network,
    Play,
    Player,
    Tensors,
    Term,
    Verdict,
)

__all__ = [
    "BASES",
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
    "Play",
    "Player",
    "Split",
    "Tensors",
    "Term",
    "Verdict",
]

BASES: Mapping[Kind, type] = {
    "generator": Generator,
    "discriminator": Discriminator,
    "loss": Loss,
    "term": Term,
    "dataset": Dataset,
    "augment": Augment,
    "features": Features,
    "metric": Metric,
}
