"""What follows one run and writes it down for TensorBoard."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from torch.utils.tensorboard import SummaryWriter

from vidgan_core import hookimpl
from vidgan_core.inference.sampler import sample
from vidgan_core.media.pictures import contact_sheet, to_frames
from vidgan_core.training.run import Run

STRIPS = 8


class TensorBoardLog:
    """Writes to the folder `tensorboard` in the run's folder.

    Scalars come with each tick; film strips, a row of frames a clip, as often as the run's sample
    pictures and of the same noise; histograms of the generator's and discriminator's weights with
    them.
    """

    def __init__(self, run: Run, wanted: Collection[str]) -> None:
        self._wanted = wanted
        # What an interrupted run wrote beyond the checkpoint that it goes on from is hidden.
        folder = run.folder.path / "tensorboard"
        self._writer = SummaryWriter(str(folder), purge_step=run.step + 1)
        self._pictured = -1

    @hookimpl
    def vidgan_step_end(self, run: Run, scalars: Mapping[str, float] | None) -> None:
        """Write what is due."""
        if scalars is not None and "scalars" in self._wanted:
            for name, value in scalars.items():
                self._writer.add_scalar(name, value, run.step)
        if run.step % run.config.samples.every == 0:
            self._picture(run)
        if scalars is not None:
            self._writer.flush()  # what a run that is killed has logged is there

    @hookimpl
    def vidgan_fit_end(self, run: Run) -> None:
        """Write the last step's strips and close."""
        self._picture(run)
        self._writer.close()
        run.registry.hooks.unregister(self)

    def _picture(self, run: Run) -> None:
        """Write strips and histograms, once a step."""
        if run.step == self._pictured:
            return
        self._pictured = run.step
        if "samples" in self._wanted:
            count = min(STRIPS, run.config.samples.count)
            clips = sample(run.ema.generator, count, seed=run.config.seed)
            sheet = contact_sheet(to_frames(clips))
            self._writer.add_image("samples", sheet, run.step, dataformats="HWC")
        if "histograms" in self._wanted:
            for player, network in run.trainer.networks.items():
                for name, parameter in network.named_parameters():
                    self._writer.add_histogram(f"{player}/{name}", parameter, run.step)
