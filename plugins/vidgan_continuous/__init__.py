"""Manifest of the continuous-time pair."""

from collections.abc import Iterator

from vidgan_core import Component, hookimpl


@hookimpl
def vidgan_components() -> Iterator[Component]:
    """Announce `continuous`: continuous time, trained on a few frames of each clip."""
    yield Component(
        "generator",
        "continuous",
        "vidgan_continuous.generator:ContinuousGenerator",
        "style-based image generator, motion codes in continuous time (Skorokhodov et al. 2022)",
        usual={
            "discriminator": {"name": "continuous"},
            "task": {"name": "sparse-frames", "frames": 3},
            "term": {"r1": {"weight": 1.0, "every": 8}},
        },
    )
    yield Component(
        "discriminator",
        "continuous",
        "vidgan_continuous.discriminator:ContinuousDiscriminator",
        "a few frames at random times, and their time differences (Skorokhodov et al. 2022)",
    )
