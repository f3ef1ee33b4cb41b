"""The clips of a sanity check: a reference, clips to degrade, and a training set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from itertools import cycle, islice

from vidgan_core.data.cache import digest
from vidgan_core.interfaces import Dataset
from vidgan_core.rng import keyed
from vidgan_evaluation.clip_source import CHUNK, Chunk, Clips, plain, real
from vidgan_evaluation.degradations import DAMAGES, LONGER, DegradationSeries
from vidgan_evaluation.disjoint_splits import Part, spread

POOL = 4  # times n: among how many clips those of the classes that are left are looked for


class DegradationStudy:
    """Real clips in three parts that share no scene: reference, clips to degrade, training set.

    The clips are read `LONGER` times as long as they are measured, so that they can be played
    faster. Each is a sample of its own: the same scenes are measured with each degradation, so how
    much other scenes differ says nothing about what the degradation does.
    """

    def __init__(self, dataset: Dataset, parts: Sequence[Part], n: int, seed: int) -> None:
        self.frames = dataset.spec.frames // LONGER
        self.spec = replace(plain(dataset.spec), frames=self.frames)
        self._dataset = dataset
        self._pool = spread(list(parts[1]), min(len(parts[1]), POOL * n))
        self._n, self._seed = n, seed
        self.reference, self.clean, self.train = (
            self._clips(spread(list(part), n), what)
            for part, what in zip(parts, ("reference", "real", "training"), strict=True)
        )
        self._numbers, self._copies = spread(list(parts[1]), n), spread(list(parts[2]), n)

    def degraded(self, series: DegradationSeries, strength: float) -> Clips | None:
        """Return degraded clips; None where the data can't have it (a single class)."""
        what = f"{series.name} {strength:g}"
        if series.name in DAMAGES:
            return self._clips(self._numbers, what, (series, strength))
        choose: Mapping[str, Callable[[float], list[int]]] = {
            "classes": self._without_classes,
            "duplicates": lambda k: spread(self._numbers, max(1, round(self._n / k))),
            "copies": self._with_copies,
        }
        chosen = choose[series.name](strength)
        return self._clips(list(islice(cycle(chosen), self._n)), what) if chosen else None

    def _with_copies(self, fraction: float) -> list[int]:
        count = round(fraction * self._n)
        return self._copies[:count] + self._numbers[count:]

    @cached_property
    def _class_of(self) -> dict[int, int]:
        """The class of every clip of the pool; videos are classes where there are none."""
        labelled = any(field.name == "class" for field in self._dataset.fields)
        label = lambda number: self._dataset.item(number)["class"]  # noqa: E731
        video = lambda number: self._dataset.span(number)[0]  # noqa: E731
        return {number: int((label if labelled else video)(number)) for number in self._pool}

    def _without_classes(self, fraction: float) -> list[int]:
        classes = sorted(set(self._class_of.values()))
        dropped = classes[: max(1, round(fraction * len(classes)))]
        kept = [number for number in self._pool if self._class_of[number] not in dropped]
        return spread(kept, min(len(kept), self._n))

    @cached_property
    def _read(self) -> list[Chunk]:
        """The clips that are degraded, kept for all degradations."""
        return list(real(self._dataset, self._numbers).chunks())

    def _clips(
        self, numbers: list[int], what: str, damage: tuple[DegradationSeries, float] | None = None
    ) -> Clips:
        whole = real(self._dataset, numbers, what)
        name, strength = (damage[0].name, damage[1]) if damage else ("", 0.0)
        key = digest("sanity", whole.key, self.frames, name, strength, self._seed)
        chunks = partial(self._chunks, whole, name, strength)
        return replace(whole, spec=self.spec, chunks=chunks, key=key)

    def _chunks(self, whole: Clips, name: str, strength: float) -> Iterator[Chunk]:
        damage = DAMAGES.get(name)  # type: ignore[call-overload]
        for number, (video, condition) in enumerate(self._read if damage else whole.chunks()):
            rng = keyed(self._seed, "degrade", name, number * CHUNK)
            cut_short = video[:, :, : self.frames].contiguous()
            yield damage(video, strength, rng, self.frames) if damage else cut_short, condition
