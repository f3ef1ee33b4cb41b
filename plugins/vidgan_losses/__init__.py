"""Manifest of the adversarial losses."""

from collections.abc import Iterator

from vidgan_core import Component, hookimpl


@hookimpl
def vidgan_components() -> Iterator[Component]:
    """Announce the losses."""
    yield Component(
        "loss",
        "minimax",
        "vidgan_losses.losses:Minimax",
        "log-likelihood of real and fake, non-saturating (Goodfellow et al. 2014)",
        default=True,
    )
    yield Component(
        "loss",
        "lsgan",
        "vidgan_losses.losses:LeastSquares",
        "least squares to the labels 1 and 0 (Mao et al. 2017)",
    )
    yield Component(
        "loss",
        "hinge",
        "vidgan_losses.losses:Hinge",
        "hinge with a margin of one on either side (Lim & Ye 2017)",
    )
    yield Component(
        "loss",
        "wasserstein",
        "vidgan_losses.losses:Wasserstein",
        "difference of mean scores of a Lipschitz critic (Arjovsky et al. 2017)",
        usual={"term": {"weight-clip": {}}},
    )
    yield Component(
        "loss",
        "rpgan",
        "vidgan_losses.losses:RelativisticPaired",
        "real and fake scores compared in pairs (Jolicoeur-Martineau 2018, R3GAN 2024)",
    )
    yield Component(
        "loss",
        "ragan",
        "vidgan_losses.losses:RelativisticAverage",
        "each score compared with the mean score of the other side (Jolicoeur-Martineau 2018)",
    )
