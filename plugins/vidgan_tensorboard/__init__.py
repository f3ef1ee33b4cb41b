"""TensorBoard logs of a run: scalars, frame strips of samples, histograms of weights on request."""

from collections.abc import Iterator

from vidgan_core import Component, hookimpl


@hookimpl
def vidgan_components() -> Iterator[Component]:
    """Announce the callback."""
    yield Component(
        "callback",
        "tensorboard",
        "vidgan_tensorboard.log:TensorBoardLog",
        "scalars, samples and histograms for TensorBoard",
    )
