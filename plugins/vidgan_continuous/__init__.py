"""Manifest of the continuous-time pair."""

from collections.abc import Iterator

from vidgan_core import Component, hookimpl


@hookimpl
def vidgan_components() -> Iterator[Component]:
    """Announce `continuous`: time is a coordinate, and few frames of a clip are trained on."""
    yield Component(
        "generator",
        "continuous",
        "vidgan_continuous.generator:ContinuousGenerator",
        "styled image generator with motion codes at knots in time (Skorokhodov et al. 2022)",
        usual={
            "disc": "continuous",
            "task": {"name": "sparse-frames", "frames": 3},
            "terms": {"r1": {"weight": 1.0, "every": 8}},
        },
    )
    yield Component(
        "discriminator",
        "continuous",
        "vidgan_continuous.discriminator:ContinuousDiscriminator",
        "a few frames at random times, and the times between them (Skorokhodov et al. 2022)",
    )
