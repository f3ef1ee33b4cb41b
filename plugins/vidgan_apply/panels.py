"""What stands next to a result: the input, a classical method's answer, and the truth if known."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vidgan_core.inference.apply import Made
from vidgan_core.interfaces import Task
from vidgan_core.media.frames import Frames


def baselines(task: Task, made: Made) -> Mapping[str, Frames]:
    """Return the classical methods' answers (T, H, W, C) to what a window was made of, by name."""
    window = made.window
    answers = task.baselines(task.condition(window.frames))
    return {name: frames[window.start : window.stop] for name, frames in answers.items()}


def panels(task: Task, made: Made, truth: Frames | None) -> Frames:
    """Return frames (T, H, n W, C): input, first baseline, result, and truth where it is known."""
    window = made.window
    given = window.frames[window.start : window.stop]
    scale = made.frames.shape[1] // given.shape[1]
    shown = [given.repeat(scale, axis=1).repeat(scale, axis=2)]
    shown += [frames for _, frames in list(baselines(task, made).items())[:1]]
    shown += [made.frames] if truth is None else [made.frames, truth]
    return np.concatenate(shown, axis=2)
