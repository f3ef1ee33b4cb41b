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
        "clamps the critic's weights after each critic update (Arjovsky et al. 2017)",
    )
    yield Component(
        "term",
        "r1",
        "vidgan_terms.gradient_penalty:R1",
        "R1 penalty: squared gradient of the critics at real clips (Mescheder et al. 2018)",
    )
    yield Component(
        "term",
        "r2",
        "vidgan_terms.gradient_penalty:R2",
        "R2 penalty: squared gradient of the critics at generated clips (Mescheder et al. 2018)",
    )
    yield Component(
        "term",
        "wgan-gp",
        "vidgan_terms.gradient_penalty:WGANGP",
        "gradient penalty, norm one between real and generated clips (Gulrajani et al. 2017)",
    )
    yield Component(
        "term",
        "dragan",
        "vidgan_terms.gradient_penalty:DRAGAN",
        "gradient penalty, norm one around real clips (Kodali et al. 2017)",
    )
    yield Component(
        "term",
        "lecam",
        "vidgan_terms.lecam:LeCam",
        "keeps scores near the moving average of the other side (Tseng et al. 2021)",
    )
    yield Component(
        "term",
        "feature-matching",
        "vidgan_terms.feature_matching:FeatureMatching",
        "matches the critics' mean features on real and generated clips (Salimans et al. 2016)",
    )
    yield Component(
        "term",
        "singular-clip",
        "vidgan_terms.singular_clip:SingularClip",
        "clips the critic's singular values to one after its updates (Saito et al. 2017)",
    )
    yield Component(
        "term",
        "matching",
        "vidgan_terms.matching:Matching",
        "real clips score higher with their own class than with another (Reed et al. 2016)",
    )
    yield Component(
        "term",
        "pixel",
        "vidgan_terms.pixel:Pixel",
        "distance from the real clip of the same condition, pixel by pixel (Lai et al. 2017)",
    )
    yield Component(
        "term",
        "warp",
        "vidgan_terms.warp:Warp",
        "the generator's flow moves each frame of the input to its neighbour (Sajjadi et al. 2018)",
    )
