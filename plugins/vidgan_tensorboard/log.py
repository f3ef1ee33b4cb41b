"""The callback that writes a run down for TensorBoard."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from annotated_types import Ge, Le, doc

from vidgan_core.errors import ComponentError
from vidgan_core.inference.sampler import sample
from vidgan_core.interfaces import Callback, TrainingRun
from vidgan_core.media.pictures import contact_sheet, to_frames

What = Literal["scalars", "samples", "histograms"]


class TensorBoardLog(Callback):
    """Writes to the folder `tensorboard` in the run's folder.

    Scalars come with each report; frame strips, a row of frames a clip, of the run's fixed noise;
    histograms of every network's weights with them.
    """

    order = 55  # what other callbacks add to the scalars is logged as well

    def __init__(
        self,
        *,
        log: Annotated[list[What], doc("what is logged")] = ["scalars", "samples"],  # noqa: B006
        every: Annotated[int, Ge(1), Le(10**9), doc("steps from one strip to the next")] = 100,
        count: Annotated[int, Ge(1), Le(64), doc("how many clips")] = 8,
    ) -> None:
        self._log = frozenset(log)
        self._every = every
        self._count = count
        self._pictured = -1
        self._writer: Any = None

    def fit_start(self, run: TrainingRun) -> None:
        """Open the log; ComponentError where TensorBoard is not installed."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ModuleNotFoundError as error:
            raise ComponentError(
                f"callback.tensorboard needs {error.name}: pip install 'vidgan[tensorboard]'"
            ) from None
        # What an interrupted run wrote beyond the checkpoint that it goes on from is hidden.
        folder = run.folder.path / "tensorboard"
        self._writer = SummaryWriter(str(folder), purge_step=run.step + 1)

    def step_end(self, run: TrainingRun, scalars: dict[str, float] | None) -> None:
        """Write the scalars."""
        if scalars is not None and "scalars" in self._log:
            for name, value in scalars.items():
                self._writer.add_scalar(name, value, run.step)
            self._writer.flush()  # what a run that is killed has logged is there

    def after_step(self, run: TrainingRun) -> None:
        """Write strips and histograms when they are due."""
        if run.step % self._every == 0:
            self._picture(run)

    def fit_end(self, run: TrainingRun, finished: bool) -> None:
        """Write the last step's strips."""
        self._picture(run)

    def close(self) -> None:
        """Close the log."""
        if self._writer is not None:
            self._writer.close()

    def _picture(self, run: TrainingRun) -> None:
        """Write strips and histograms, once a step."""
        if run.step == self._pictured:
            return
        self._pictured = run.step
        if "samples" in self._log:
            clips = sample(run.sampled, self._count, seed=run.config.seed)
            sheet = contact_sheet(to_frames(clips))
            self._writer.add_image("samples", sheet, run.step, dataformats="HWC")
        if "histograms" in self._log:
            for player, network in run.networks.items():
                for name, parameter in network.named_parameters():
                    self._writer.add_histogram(f"{player}/{name}", parameter, run.step)
