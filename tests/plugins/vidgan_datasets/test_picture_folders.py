"""Folders of pictures: odd ones are named and left out, sequences split, gaps never crossed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
from clips import counting, folder, moving_block, numbers, save_bomb, save_frames, save_strip
from conftest import Command
from PIL import Image
from vidgan_datasets.sequences import missing_before, split_sequences

from vidgan_core.errors import ClipError
from vidgan_core.interfaces import Dataset, DataSpec


def reasons(dataset: Dataset) -> dict[str, str]:
    return {r["name"]: r["reason"] for r in dataset.check() if r["status"] != "ok"}


def rename(root: str, pattern: str) -> None:
    """Give f0.png ... names of another pattern."""
    for path in list(Path(root).glob("f*.png")):
        path.rename(path.parent / pattern.format(int(path.stem[1:])))


def test_odd_pictures_are_named_and_left_out() -> None:
    save_frames("clips/a", counting(8))
    Image.new("RGB", (32, 32), "red").save("clips/a/thumbnail.jpg")
    Image.new("RGB", (16, 16), "red").save("clips/a/f8.png")
    more = [Image.new("RGB", (32, 32), "blue")]
    Image.new("RGB", (32, 32)).save("clips/a/f9.webp", save_all=True, append_images=more)
    (Path("clips/a/f10.png")).write_bytes(Path("clips/a/f7.png").read_bytes()[:60])
    dataset = folder()
    assert len(dataset) == 5
    assert numbers(dataset.item(4)["video"]) == [4, 5, 6, 7]
    found = reasons(dataset)
    assert found["clips/a/thumbnail.jpg".removeprefix("clips/")].startswith("left out: its name")
    assert found["a/f8.png"] == "16x16 among frames of 32x32"
    assert "truncated" in found["a/f10.png"] or found["a/f10.png"]
    kinds = {r["name"]: r["kind"] for r in dataset.check()}
    assert kinds["a/f9.webp"] == "animation"
    again = folder()
    assert reasons(again) == found
    assert again.item(4)["video"].shape == (3, 4, 16, 16)


def test_a_damaged_picture_in_the_middle_splits_the_video() -> None:
    save_frames("clips", counting(12))
    Path("clips/f5.png").write_bytes(b"\x89PNG\r\n\x1a\nrot")
    dataset = folder()
    shown = [numbers(dataset.item(i)["video"]) for i in range(len(dataset))]
    assert shown == [[0, 1, 2, 3], [1, 2, 3, 4], *([s, s + 1, s + 2, s + 3] for s in (6, 7, 8))]
    assert list(reasons(dataset)) == ["f5.png"]


def test_gaps_are_reported_and_no_clip_reaches_over_one() -> None:
    save_frames("clips", counting(20))
    for number in (8, 9, 10):
        Path(f"clips/f{number}.png").unlink()
    dataset = folder()
    shown = [numbers(dataset.item(i)["video"]) for i in range(len(dataset))]
    assert len(shown) == 5 + 6
    assert all(clip[-1] - clip[0] == 3 for clip in shown)
    assert "1 with gaps" in dataset.summary()


def test_two_sequences_in_one_folder_are_two_videos() -> None:
    save_frames("clips/stereo", counting(6))
    rename("clips/stereo", "left_{:04}.png")
    save_frames("clips/stereo", counting(8)[::-1])
    rename("clips/stereo", "right_{:04}.png")
    records = folder().check()
    assert [(r["name"], r["frames"]) for r in records] == [
        ("stereo/left_*.png", 6),
        ("stereo/right_*.png", 8),
    ]
    assert [numbers(folder().item(i)["video"]) for i in (0, 3)] == [[0, 1, 2, 3], [7, 6, 5, 4]]


@pytest.mark.parametrize(
    ("names", "sequences", "odd"),
    [
        (["a.png", "b.png"], {"": 2}, 0),
        (["f1.png", "f2.png", "cover.png"], {"": 2}, 1),
        (["f1.png", "f2.png", "g1.png", "g2.png"], {"f*.png": 2, "g*.png": 2}, 0),
        (["cat1.png", "dog2.png", "cow3.png"], {"": 3}, 0),
        (["f1.png", "x.png", "y.png"], {"": 3}, 0),
        (["2024-01-0001.png", "2024-01-0002.png"], {"": 2}, 0),
    ],
)
def test_names_tell_sequences(names: list[str], sequences: dict[str, int], odd: int) -> None:
    found, left = split_sequences(names)
    assert ({p: len(n) for p, n in found.items()}, len(left)) == (sequences, odd)


@pytest.mark.parametrize(
    ("numbered", "missing"),
    [
        ([0, 5, 10, 20, 25], (3,)),
        ([1, 2, 3], ()),
        ([33, 67, 100, 133, 167], ()),  # milliseconds
        ([1, 2, 9, 10, 40, 41, 90, 200, 201], ()),  # gaps everywhere are none
        ([7], ()),
    ],
)
def test_missing_numbers(numbered: list[int], missing: tuple[int, ...]) -> None:
    assert missing_before([f"f{n}.png" for n in numbered]) == missing
    assert missing_before(["a.png", "b.png"]) == ()


@pytest.mark.parametrize("suffix", ["tif", "bmp", "ppm", "jpg", "webp", "avif"])
def test_pictures_of_many_formats_are_frames(suffix: str) -> None:
    save_frames("clips", counting(6), suffix)
    dataset = folder()
    assert numbers(dataset.item(1)["video"]) == [1, 2, 3, 4]


def test_what_systems_leave_behind_is_not_looked_at(vidgan: Command) -> None:
    save_frames("clips/a", counting(6))
    for name in ("._f0.png", "Thumbs.db", ".DS_Store", "desktop.ini", "__MACOSX/a/._f0.png"):
        path = Path("clips/a") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"litter")
    assert len(folder().check()) == 1
    assert folder().summary() == "6 files: 6 used"


def test_a_clip_looks_at_its_own_pictures_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    save_frames("clips", counting(30))
    dataset = folder(cache_gb=0.0)
    len(dataset)
    looked: list[str] = []
    real = os.lstat

    def spy(path: object, **options: object) -> os.stat_result:
        looked.append(str(path))
        return real(path, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(os, "lstat", spy)
        dataset.item(10)
    assert len([p for p in looked if p.endswith(".png")]) == 4
    Path("clips/f20.png").write_bytes(b"changed")
    dataset.item(10)
    with pytest.raises(ClipError, match="changed"):
        dataset.item(18)


@pytest.mark.slow
def test_a_clip_of_a_large_folder_costs_no_more_than_one_of_a_small_one() -> None:
    first = save_frames("clips/large", counting(1)) / "f0.png"
    save_frames("clips/small", counting(40))
    for number in range(1, 60_000):
        os.link(first, first.parent / f"f{number}.png")
    times = {}
    for name in ("large", "small"):
        dataset = folder(f"clips/{name}", cache_gb=0.0)
        dataset.item(0)
        started = time.perf_counter()
        for index in range(30):
            dataset.item(index)
        times[name] = time.perf_counter() - started
    assert times["large"] < 2 * times["small"] + 0.01, times


def test_strips_without_end_are_refused_before_they_are_decoded() -> None:
    Path("clips").mkdir()
    Image.new("L", (1, 2_000_000)).save("clips/thin.png")
    save_bomb("clips/large.png", 100_000, 10_000)
    save_bomb("clips/frames/bomb.png", 50_000, 100_000)
    records = {r["name"]: r for r in folder().check()}
    assert {r["status"] for r in records.values()} == {"refused"}
    assert "max_frames" in records["thin.png"]["reason"]
    assert Path("clips/thin.png").stat().st_size < 30_000


def test_many_small_frames_in_a_strip() -> None:
    save_strip("clips/a.png", moving_block(3000, 8, 8))
    dataset = folder(spec=DataSpec(3, 4, 8, 8))
    assert len(dataset) == 2997
    assert np.array_equal(dataset.item(5)["video"][:, 0], dataset.item(4)["video"][:, 1])
