"""Sample pictures of a run: fixed noise, the EMA generator, mp4 + gif + contact sheet."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from vidgan_core import hookimpl
from vidgan_core.inference.conditions import fixed
from vidgan_core.inference.sampler import SampleOptions, sample
from vidgan_core.interfaces import Tensors
from vidgan_core.media.pictures import contact_sheet, grid, to_frames
from vidgan_core.media.provenance import Mark, make_mark
from vidgan_core.media.write import write_gif, write_mp4, write_png
from vidgan_core.nn.conditioning import count_classes
from vidgan_core.runs import checkpoint
from vidgan_core.training.run import Run

SHEET_ROWS = 8


class SamplePictures:
    """Writes samples/step-000500.{mp4,gif,png} every `samples.every` steps and at the end."""

    def __init__(self) -> None:
        self._written = -1
        self._condition: Tensors | None = None

    @hookimpl
    def vidgan_fit_start(self, run: Run) -> None:
        """Take the conditions that all pictures show, where they can't be drawn."""
        spec, count = run.ema.generator.spec, run.config.samples.count
        self._condition = fixed(run.config, run.registry, spec, count)

    @hookimpl
    def vidgan_step_end(self, run: Run) -> None:
        """Write the pictures when they are due."""
        if run.step % run.config.samples.every == 0:
            self._write(run)

    @hookimpl
    def vidgan_fit_end(self, run: Run) -> None:
        """Write the pictures of the last step."""
        self._write(run)

    def _write(self, run: Run) -> None:
        if run.step == self._written:
            return
        settings = run.config.samples
        generator, seed = run.ema.generator, run.config.seed
        wishes = SampleOptions(seed=seed)
        if self._condition is None:  # one class a row of the contact sheet
            wishes["classes"] = range(count_classes(generator.spec))
        else:
            wishes["condition"] = self._condition
        clips = sample(generator, settings.count, **wishes)
        mark = make_mark(checkpoint.model_hash(generator.state_dict()), seed)
        write_samples(run.folder.samples / f"step-{run.step:06d}", clips, settings.fps, mark)
        self._written = run.step


def write_samples(stem: Path, clips: Tensor, fps: float, mark: Mark) -> None:
    """Write clips (B, C, T, H, W) as a film, a gif and a contact sheet next to one another."""
    frames = to_frames(clips)
    film = grid(frames)
    write_mp4(stem.with_suffix(".mp4"), film, fps=fps, mark=mark)
    write_gif(stem.with_suffix(".gif"), film, fps=fps, mark=mark)
    write_png(stem.with_suffix(".png"), contact_sheet(frames[:SHEET_ROWS]), mark=mark)
