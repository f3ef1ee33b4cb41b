"""Manifest of evaluation: results with their protocol, error and floor; `eval` and `compare`."""

from collections.abc import Iterator

from vidgan_core import Component, hookimpl


@hookimpl
def vidgan_components() -> Iterator[Component]:
    """Announce the callback that measures a run while it trains."""
    yield Component(
        "callback",
        "evaluation",
        "vidgan_evaluation.callback:EvaluationCallback",
        "metrics of the averaged generator every so many steps; keeps the best checkpoint",
        default=True,
    )
