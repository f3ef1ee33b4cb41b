"""Manifest of the extra terms."""

from collections.abc import Iterator

from vidgan_core import Component, hookimpl


@hookimpl
def vidgan_components() -> Iterator[Component]:
    """Announce the terms."""
    yield Component(
        "term",
        "weight-clip",
        "vidgan_terms.weight_clip:WeightClip",
        "clamp the critic's weights after each of its updates (Arjovsky et al. 2017)",
    )
