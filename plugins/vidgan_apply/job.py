"""One video through one generator: read, made, written, measured; window by window."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vidgan_apply.degraded import Degraded
from vidgan_apply.panels import baselines, panels
from vidgan_apply.scores import Scores
from vidgan_apply.sinks import Sink
from vidgan_apply.source import Source
from vidgan_apply.working_folder import WorkingFolder
from vidgan_core.errors import VidganError, printable
from vidgan_core.inference.apply import Applier, Made
from vidgan_core.media.frames import Picture

FRAMES_A_PART = 240  # at the least: parts begin with a whole picture


@dataclass
class Job:
    """Applies a generator to a source.

    `watch` is told how many frames are done, and of how many; it may raise to stop the work, which
    then is kept and gone on with by the next job of the same identity.
    """

    applier: Applier
    source: Source
    result: Sink
    comparison: Sink | None
    folder: WorkingFolder
    watch: Callable[[int, int], None]
    degraded: Degraded | None = None
    scores: Scores | None = None
    _ticks: deque[int] = field(default_factory=deque, init=False)

    def run(self) -> int:
        """Make the output; return of how many frames it is.

        What was complete before is not made again.
        """
        done, unsaved = self.folder.frames, 0
        self._go_on()
        windows = self.folder.windows
        for made in self._made():
            count = len(made.frames)
            self._add(made, [self._ticks.popleft() for _ in range(count)])
            windows, done, unsaved = windows + 1, done + count, unsaved + count
            if unsaved >= FRAMES_A_PART:
                self._save(windows, done)
                unsaved = 0
            try:
                self.watch(done, self.source.stated)
            except BaseException:  # between two windows: all that was made is whole
                if unsaved:
                    self._save(windows, done)
                raise
        if unsaved:
            self._save(windows, done)
        if not done:
            raise VidganError(f"{printable(str(self.source.path))} holds no frame")
        for sink in self._sinks:
            sink.finish()
        return done

    @property
    def _sinks(self) -> Sequence[Sink]:
        return [self.result, *([self.comparison] if self.comparison else [])]

    def _go_on(self) -> None:
        notes = self.folder.notes or {}
        for sink in self._sinks:
            sink.part = notes.get("parts", 0)
        if self.scores:
            self.scores.restore(notes.get("scores"))
        if self.degraded:
            self.degraded.forget = self.folder.frames

    def _made(self) -> Iterator[Made]:
        """Yield what is made after what there is already."""
        pictures = self._pictures()
        given = self.degraded(pictures) if self.degraded else pictures
        yield from self.applier(given, skip=self.folder.windows, state=self.folder.state())

    def _pictures(self) -> Iterator[Picture]:
        channels, done = self.applier.field.shape[0], self.folder.frames
        for number, (tick, picture) in enumerate(self.source.frames(channels)):
            if number >= done:
                self._ticks.append(tick)
            else:
                self.watch(number, self.source.stated)
            yield picture

    def _add(self, made: Made, ticks: Sequence[int]) -> None:
        truth = self.degraded.truth(len(ticks)) if self.degraded else None
        self.result.add(ticks, made.frames)
        if self.comparison:
            self.comparison.add(ticks, panels(self.applier.task, made, truth))
        if self.scores and truth is not None:
            answers = baselines(self.applier.task, made)
            self.scores.add(truth, {**answers, "result": made.frames})

    def _save(self, windows: int, frames: int) -> None:
        for sink in self._sinks:
            sink.rest()
        notes: Mapping[str, object] = {
            "parts": self.result.part,
            "scores": self.scores.kept() if self.scores else None,
        }
        self.folder.save(windows, frames, self.applier.state, dict(notes))


def identity_of(source: Path) -> str:
    """Return the sha256 of a source: of a file, or of the pictures of a folder."""
    import hashlib

    from vidgan_apply.source import pictures_of

    digest = hashlib.sha256()
    for file in [source] if source.is_file() else pictures_of(source):
        with file.open("rb") as opened:
            while part := opened.read(1 << 20):
                digest.update(part)
    return digest.hexdigest()
