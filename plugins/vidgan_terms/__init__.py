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
    yield Component(
        "term",
        "r1",
        "vidgan_terms.gradient_penalty:R1",
        "squared gradient of the critics at real clips (Mescheder et al. 2018)",
    )
    yield Component(
        "term",
        "r2",
        "vidgan_terms.gradient_penalty:R2",
        "squared gradient of the critics at generated clips (Mescheder et al. 2018)",
    )
    yield Component(
        "term",
        "wgan-gp",
        "vidgan_terms.gradient_penalty:WGANGP",
        "gradient of norm one between real and generated clips (Gulrajani et al. 2017)",
    )
    yield Component(
        "term",
        "dragan",
        "vidgan_terms.gradient_penalty:DRAGAN",
        "gradient of norm one around real clips (Kodali et al. 2017)",
    )
    yield Component(
        "term",
        "lecam",
        "vidgan_terms.lecam:LeCam",
        "scores held near the other side's moving average (Tseng et al. 2021)",
    )
    yield Component(
        "term",
        "feature-matching",
        "vidgan_terms.feature_matching:FeatureMatching",
        "the critics' mean features alike on real and generated clips (Salimans et al. 2016)",
    )
    yield Component(
        "term",
        "singular-clip",
        "vidgan_terms.singular_clip:SingularClip",
        "critic's singular values clipped to one after its updates (Saito et al. 2017)",
    )
    yield Component(
        "term",
        "matching",
        "vidgan_terms.matching:Matching",
        "real clips score higher with their own class than with another (Reed et al. 2016)",
    )
