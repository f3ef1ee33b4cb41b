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
    yield Component(
        "term",
        "perceptual",
        "vidgan_terms.perceptual:Perceptual",
        "distance from the real clip in feature maps of lite0 (Johnson et al. 2016)",
    )
    yield Component(
        "term",
        "temporal",
        "vidgan_terms.temporal:Temporal",
        "changes between neighbouring frames are those of the real clip",
    )
    yield Component(
        "term",
        "gradient-difference",
        "vidgan_terms.gradient_difference:GradientDifference",
        "steps between neighbouring pixels are those of the real clip (Mathieu et al. 2016)",
    )
    yield Component(
        "term",
        "consistency",
        "vidgan_terms.consistency:Consistency",
        "the result at the size of the condition's clip is that clip",
    )
    yield Component(
        "term",
        "ping-pong",
        "vidgan_terms.ping_pong:PingPong",
        "a clip there and back gives each frame twice the same (Chu et al. 2020)",
    )
