"""TensorBoard logs of a run: scalars, film strips of samples, histograms of weights on request.

VIDGAN_TENSORBOARD asks for them: unset or empty, nothing is written or imported; "1" stands for
"scalars,samples"; a list such as "scalars,samples,histograms" names what is wanted. It is an
environment variable, and not a part of the configuration, because what a run logs does not change
what it computes: a run may be resumed, or repeated from its config.toml, with logs or without.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from vidgan_core import hookimpl

if TYPE_CHECKING:
    from vidgan_core.training.run import Run

VARIABLE = "VIDGAN_TENSORBOARD"
WHAT = ("scalars", "samples", "histograms")


@hookimpl
def vidgan_fit_start(run: Run) -> None:
    """Follow the run if that was asked for."""
    if not (asked := os.environ.get(VARIABLE, "").strip()):
        return
    from vidgan_core.errors import ComponentError, UsageError, did_you_mean

    wanted = {"scalars", "samples"} if asked == "1" else {w.strip() for w in asked.split(",")}
    if unknown := sorted(wanted.difference(WHAT)):
        raise UsageError(
            f"{VARIABLE}: no {unknown[0]!r} to log", hint=did_you_mean(unknown[0], WHAT)
        )
    try:
        from vidgan_tensorboard.log import TensorBoardLog
    except ModuleNotFoundError as error:
        raise ComponentError(
            f"{VARIABLE} needs {error.name}: pip install 'vidgan[tensorboard]'"
        ) from None
    run.registry.hooks.register(TensorBoardLog(run, wanted))
