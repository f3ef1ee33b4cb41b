"""Sample pictures of a run: fixed noise, the EMA generator, mp4 + gif + contact sheet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Le, doc
from torch import Tensor

from vidgan_core.inference.conditions import class_labels, draw_condition, fixed
from vidgan_core.inference.sampler import sample
from vidgan_core.interfaces import Callback, Tensors, TrainingRun
from vidgan_core.media.pictures import contact_sheet, grid, to_frames
from vidgan_core.media.provenance import Mark, make_mark
from vidgan_core.media.write import write_gif, write_mp4, write_png
from vidgan_core.nn.conditioning import count_classes
from vidgan_core.runs import checkpoint

SHEET_ROWS = 8


class SamplePictures(Callback):
    """Writes samples/step-000500.{mp4,gif,png} every few steps and at the end."""

    def __init__(
        self,
        *,
        every: Annotated[int, Ge(1), Le(10**9), doc("steps from one picture to the next")] = 100,
        count: Annotated[int, Ge(1), Le(256), doc("how many clips")] = 16,
        fps: Annotated[float, Ge(1), Le(1000), doc("frames a second")] = 12.5,
    ) -> None:
        self.every = every
        self.count = count
        self.fps = fps
        self._written = -1
        self._condition: Tensors | None = None

    def fit_start(self, run: TrainingRun) -> None:
        """Take the conditions that all pictures show, where they can't be drawn.

        Then make up for the picture of a step that was saved before its picture was written.
        """
        self._condition = fixed(run.config, run.registry, run.spec, self.count)
        due = run.step and run.step % self.every == 0
        if due and not self._stem(run).with_suffix(".png").exists():
            self._write(run)

    def after_step(self, run: TrainingRun) -> None:
        """Write the pictures when they are due."""
        if run.step % self.every == 0:
            self._write(run)

    def fit_end(self, run: TrainingRun, finished: bool) -> None:
        """Write the pictures of the last step."""
        self._write(run)

    def _stem(self, run: TrainingRun) -> Path:
        folder: Path = run.folder.samples
        return folder / f"step-{run.step:06d}"

    def _write(self, run: TrainingRun) -> None:
        if run.step == self._written:
            return
        seed, condition = run.config.seed, self._condition
        if condition is None:  # one class a row of the contact sheet
            classes = range(count_classes(run.spec))
            condition = draw_condition(run.spec, self.count, seed, classes)
        clips = sample(run.sampled, self.count, seed=seed, condition=condition)
        mark = make_mark(checkpoint.model_hash(run.model_tensors()), seed)
        labels = class_labels(run.spec, condition)
        paths = write_samples(self._stem(run), clips, self.fps, mark, labels)
        self._written = run.step
        run.report("samples_written", paths=paths)


def write_samples(
    stem: Path, clips: Tensor, fps: float, mark: Mark, labels: Sequence[str] = ()
) -> list[Path]:
    """Write clips (B, C, T, H, W) as a video, a gif and a contact sheet with the clips' labels.

    Returns the files.
    """
    frames = to_frames(clips)
    video = grid(frames)
    mp4, gif, png = (stem.with_suffix(suffix) for suffix in (".mp4", ".gif", ".png"))
    write_mp4(mp4, video, fps=fps, mark=mark)
    write_gif(gif, video, fps=fps, mark=mark)
    sheet = contact_sheet(frames[:SHEET_ROWS], labels=labels[:SHEET_ROWS])
    write_png(png, sheet, mark=mark)
    return [mp4, gif, png]
