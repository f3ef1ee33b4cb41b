"""A generator applied to videos of any length and size, in windows and tiles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from restoring import SPEC, Enlarge, Local, Mixing
from torch import Tensor

from vidgan_core.errors import UsageError, VidganError
from vidgan_core.inference.apply import Applier, Cutting
from vidgan_core.inference.windows import in_windows, shares, spans
from vidgan_core.interfaces import (
    DataSpec,
    Fake,
    Field,
    Generator,
    Tensors,
)
from vidgan_core.media.frames import Frames


def video(frames: int, height: int = 24, width: int = 30, seed: int = 0) -> Frames:
    """Noise that is nowhere the same: an error shows."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (frames, height, width, 3), np.uint8)


def applied(generator: Generator, frames: Frames, cutting: Cutting, **more: Any) -> Frames:
    """All that is made of a video."""
    applier = Applier(generator.eval(), Enlarge(SPEC), cutting)
    return np.concatenate([made.frames for made in applier(iter(frames), **more)])


def whole(generator: Generator, frames: Frames) -> Frames:
    """What the network itself makes of a whole video at once."""
    clip = torch.from_numpy(frames).permute(3, 0, 1, 2)[None].float() / 127.5 - 1
    with torch.no_grad():
        made = generator.eval()({}, {"low": clip}, frames=len(frames)).video[0]
    scaled = ((made.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return scaled.permute(1, 2, 3, 0).numpy()


@pytest.mark.parametrize(
    "cutting",
    [
        Cutting(window=5, cuts=False),
        Cutting(window=1, cuts=False),
        Cutting(window=64, tile=7, cuts=False),
        Cutting(window=4, overlap=3, tile=10, margin=5, cuts=False),
    ],
    ids=["windows", "single frames", "tiles", "windows and tiles"],
)
def test_parts_are_the_whole_where_the_network_looks_no_further(cutting: Cutting) -> None:
    frames = video(23)
    expected = whole(Local(SPEC), frames)
    difference = applied(Local(SPEC), frames, cutting).astype(int) - expected
    assert np.abs(difference).max() <= 1  # a grey level of rounding
    assert np.count_nonzero(difference) <= difference.size / 10_000


@pytest.mark.parametrize("cutting", [Cutting(window=5, overlap=0, cuts=False)])
def test_less_context_than_the_network_looks_at_shows(cutting: Cutting) -> None:
    frames = video(23)
    difference = applied(Local(SPEC), frames, cutting).astype(int) - whole(Local(SPEC), frames)
    assert np.abs(difference).max() > 20


def test_a_tile_with_too_little_context_fades_into_the_next_one() -> None:
    frames = video(3, 40, 40)
    cutting = Cutting(window=3, tile=16, margin=1, cuts=False)
    difference = applied(Local(SPEC), frames, cutting).astype(int) - whole(Local(SPEC), frames)
    assert 0 < np.abs(difference).mean() < 3


def test_a_streaming_generator_goes_on_from_window_to_window() -> None:
    frames = video(23)
    for tile in (None, 8):
        cutting = Cutting(window=4, tile=tile, margin=0, cuts=False)
        np.testing.assert_array_equal(
            applied(Mixing(SPEC), frames, cutting), whole(Mixing(SPEC), frames)
        )


@pytest.mark.parametrize("make", [Local, Mixing])
def test_what_was_made_before_is_not_made_again(make: type[Generator]) -> None:
    frames, cutting = video(20), Cutting(window=4, tile=16)
    first = Applier(make(SPEC).eval(), Enlarge(SPEC), cutting)
    source = first(iter(frames))
    begun = [next(source).frames for _ in range(2)]
    state = first.state
    rest = applied(make(SPEC), frames, cutting, skip=2, state=state)
    np.testing.assert_array_equal(
        np.concatenate([*begun, rest]), applied(make(SPEC), frames, cutting)
    )


@pytest.mark.parametrize("make", [Local, Mixing])
def test_nothing_of_a_scene_is_in_the_next_one(make: type[Generator]) -> None:
    dark, bright = (np.full((7, 24, 30, 3), value, np.uint8) for value in (10, 240))
    both = applied(make(SPEC), np.concatenate([dark, bright]), Cutting(window=4))
    apart = [applied(make(SPEC), scene, Cutting(window=4)) for scene in (dark, bright)]
    np.testing.assert_array_equal(both, np.concatenate(apart))


@pytest.mark.parametrize(("length", "size", "overlap"), [(1, 4, 2), (9, 4, 2), (16, 4, 0)])
def test_every_frame_is_wanted_once(length: int, size: int, overlap: int) -> None:
    marked = [(n in (0, 5), np.full((1, 1, 3), n, np.uint8)) for n in range(length)]
    wanted: list[int] = []
    for window in in_windows(iter(marked), size, overlap):
        numbers = window.frames[:, 0, 0, 0].tolist()
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
        assert len({number >= 5 for number in numbers}) == 1  # of one scene
        assert window.stop - window.start <= size
        assert window.opens == (numbers[window.start] in (0, 5))
        wanted += numbers[window.start : window.stop]
    assert wanted == list(range(length))


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize(("length", "tile", "margin", "step"), [(100, 32, 8, 4), (37, 5, 3, 1)])
def test_tiles_share_every_place(
    length: int, tile: int, margin: int, step: int, exact: bool
) -> None:
    total = torch.zeros(length)
    tiles = spans(length, tile, margin, step)
    for span, weight in zip(tiles, shares(tiles, length, margin, exact=exact), strict=True):
        assert span.start % step == 0
        total[span.start : span.stop] += weight
    torch.testing.assert_close(total, torch.ones(length))


def test_memory_does_not_grow_with_the_video() -> None:
    alive: list[int] = []
    held: set[int] = set()

    def pictures() -> Iterator[np.ndarray[Any, Any]]:
        import weakref

        for number in range(200):
            frame = video(1, 8, 8, number)[0]
            held.add(number)
            weakref.finalize(frame, held.discard, number)
            alive.append(len(held))
            yield frame

    for made in Applier(Local(SPEC).eval(), Enlarge(SPEC), Cutting(window=4))(pictures()):
        assert made.frames.shape[1:] == (16, 16, 3)
    assert max(alive[100:]) <= max(alive[:100]) <= 20


def test_an_empty_video_is_nothing() -> None:
    assert not list(Applier(Local(SPEC).eval(), Enlarge(SPEC))(iter(())))


def test_what_can_not_be_applied_says_so() -> None:
    class Still(Local):
        follows = False

    with pytest.raises(UsageError, match="can't be applied to a video"):
        Applier(Still(SPEC), Enlarge(SPEC))


def test_a_window_that_memory_can_not_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vidgan_core.memory.available", lambda: 1000)
    with pytest.raises(VidganError, match="--tile"):
        applied(Local(SPEC), video(3), Cutting())


def test_a_field_that_is_no_picture_is_given_to_every_tile() -> None:
    level = Field("sigma", "vector", (1,))
    spec = DataSpec(3, 8, 32, 32, condition=(*SPEC.condition, level))
    levels: list[Tensor] = []

    class Told(Local):
        def forward(self, noise: Tensors, condition: Tensors, *, frames: int | None = None) -> Fake:
            levels.append(condition["sigma"])
            return super().forward(noise, condition, frames=frames)

    class Noisy(Enlarge):
        def __init__(self, spec: DataSpec) -> None:
            super().__init__(spec)
            self.fields = (*self.fields, level)

        def condition(self, frames: Any) -> Mapping[str, Any]:
            return {**super().condition(frames), "sigma": np.array([0.25], np.float32)}

    list(Applier(Told(spec).eval(), Noisy(spec), Cutting(tile=8))(iter(video(2))))
    assert len(levels) > 1
    assert all(torch.equal(given, torch.tensor([[0.25]])) for given in levels)
