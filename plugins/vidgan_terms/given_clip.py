"""The clip that a generator is given, for terms that compare its video with it."""

from __future__ import annotations

from torch import Tensor

from vidgan_core.errors import UsageError
from vidgan_core.interfaces import StepContext


def given_clip(play: StepContext) -> Tensor:
    """Return the only clip (B, C, T, h, w) of the generator's condition. Else UsageError."""
    clips = [field.name for field in play.generator.spec.condition if field.kind == "clip"]
    if len(clips) != 1:
        raise UsageError(f"a term needs the one clip of the condition, which has {len(clips)}")
    return play.batch[clips[0]]
