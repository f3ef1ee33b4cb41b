"""Optimizers of torch.optim."""

from collections.abc import Iterator

from vidgan_core import Component, hookimpl


@hookimpl
def vidgan_components() -> Iterator[Component]:
    """Announce the optimizers."""
    yield Component(
        "optimizer",
        "adam",
        "vidgan_optimizers.factories:AdamFactory",
        "adaptive moments (Kingma & Ba 2015)",
        default=True,
    )
    yield Component(
        "optimizer",
        "adamw",
        "vidgan_optimizers.factories:AdamWFactory",
        "Adam with decoupled weight decay (Loshchilov & Hutter 2019)",
    )
    yield Component(
        "optimizer",
        "rmsprop",
        "vidgan_optimizers.factories:RMSPropFactory",
        "gradients divided by a running root mean square (Tieleman & Hinton 2012)",
    )
    yield Component(
        "optimizer",
        "sgd",
        "vidgan_optimizers.factories:SGDFactory",
        "stochastic gradient descent, with optional momentum",
    )
