"""Sample pictures of a run: fixed noise, the EMA generator, mp4 + gif + contact sheet.

Where clips are made of clips, each has a row of panels: what was given, the result, the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le, doc
from torch import Tensor
from torch.nn.functional import interpolate

from vidgan_core.data.fields import VIDEO
from vidgan_core.inference.conditions import class_labels, draw_condition, fixed
from vidgan_core.inference.sampler import sample
from vidgan_core.interfaces import Callback, DataSpec, Tensors, TrainingRun
from vidgan_core.media.frames import Frames
from vidgan_core.media.pictures import contact_sheet, grid, to_frames
from vidgan_core.media.provenance import Mark, make_mark
from vidgan_core.media.write import write_gif, write_mp4, write_png
from vidgan_core.nn.conditioning import count_classes
from vidgan_core.runs import checkpoint

SHEET_ROWS, SHEET = 8, 8  # clips of the contact sheet, and pictures of each


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
        frames, panels = to_panels(run.spec, condition, clips)
        paths = write_samples(
            self._stem(run), frames, self.fps, mark, labels, max(1, SHEET // panels)
        )
        self._written = run.step
        run.report("samples_written", paths=paths)


def to_panels(spec: DataSpec, condition: Tensors, clips: Tensor) -> tuple[Frames, int]:
    """Return clips (B, C, T, H, W) as frames (B, T, H, panels * W, 3), and how many panels.

    Clips of the condition that are as long are on the left, each pixel as a square; the real clips,
    if the condition holds them as "video", on the right.
    """
    length = clips.shape[2]
    given = [f.name for f in spec.condition if f.kind == "clip" and f.shape[1] == length]
    shown = [interpolate(condition[name], clips.shape[2:]) for name in given]
    shown += [clips, condition[VIDEO]] if VIDEO in condition else [clips]
    return np.concatenate([to_frames(panel) for panel in shown], axis=3), len(shown)


def write_samples(
    stem: Path, frames: Frames, fps: float, mark: Mark, labels: Sequence[str], columns: int
) -> list[Path]:
    """Write clips (B, T, H, W, 3) as a video, a gif and a contact sheet with the clips' labels.

    Returns the files.
    """
    video = grid(frames)
    mp4, gif, png = (stem.with_suffix(suffix) for suffix in (".mp4", ".gif", ".png"))
    write_mp4(mp4, video, fps=fps, mark=mark)
    write_gif(gif, video, fps=fps, mark=mark)
    sheet = contact_sheet(frames[:SHEET_ROWS], columns=columns, labels=labels[:SHEET_ROWS])
    write_png(png, sheet, mark=mark)
    return [mp4, gif, png]
