"""The cache of decoded frames: verified before it is believed; it deletes only what it wrote."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from clips import folder, moving_block, save
from vidgan_datasets.frame_cache import MARK, FrameCache

from vidgan_core.data.array_file import read_array, write_array
from vidgan_core.data.cache import cache_folder, digest

FRAMES = moving_block(10, 16, 16)


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VIDGAN_CACHE", str(tmp_path / "cache"))


def fill(cache: FrameCache, numbers: range) -> None:
    for number in numbers:
        cache.get(digest(number), FRAMES.shape, lambda: iter(FRAMES))


def test_the_trim_deletes_only_what_it_wrote() -> None:
    cache = FrameCache(3 * FRAMES.nbytes / 2**30)
    fill(cache, range(1))
    photos = [cache.folder / f"photo{number}.jpg" for number in range(20)]
    photos += [cache.folder / "array.npy", cache.folder / "x.tmp"]
    for photo in photos:
        photo.write_bytes(bytes(50_000))
    outside = Path("outside.npy")
    outside.write_bytes(bytes(50_000))
    link = cache.folder / f"{digest('link')}.npy"
    link.symlink_to(outside.resolve())
    (cache.folder / digest("a folder").replace("a", "b")).mkdir()
    fill(cache, range(1, 30))
    cache.trim()
    assert all(photo.exists() for photo in photos)
    assert link.is_symlink()
    assert outside.exists()
    written = [p for p in cache.folder.glob("*.npy") if p not in photos and p != link]
    assert sum(p.stat().st_size for p in written) <= cache.bound


def test_a_folder_of_somebody_elses_files_is_not_used() -> None:
    folder_ = cache_folder() / "frames"
    folder_.mkdir(parents=True)
    names = [digest("mine") + ".npy", "notes.txt"]
    for name in names:
        (folder_ / name).write_bytes(b"mine")
    cache = FrameCache(1e-9)
    assert cache.get(digest(1), FRAMES.shape, lambda: iter(FRAMES)) is None
    cache.trim()
    assert sorted(os.listdir(folder_)) == sorted(names)


def test_a_folder_behind_a_link_is_not_used() -> None:
    Path("elsewhere").mkdir()
    cache_folder().mkdir()
    (cache_folder() / "frames").symlink_to(Path("elsewhere").resolve())
    cache = FrameCache(1e-9)
    assert cache.get(digest(1), FRAMES.shape, lambda: iter(FRAMES)) is None
    cache.trim()
    assert not os.listdir("elsewhere")


def test_others_cannot_look_in_and_the_folder_is_marked() -> None:
    fill(FrameCache(1.0), range(1))
    frames = cache_folder() / "frames"
    assert frames.stat().st_mode & 0o077 == 0
    assert (frames / MARK).exists()


def inverted(path: Path) -> None:
    """Plant other frames, as a whole .npy file of the right shape."""
    np.save(path, 255 - np.load(path))


def one_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def of_another(path: Path) -> None:
    other = next(p for p in path.parent.glob("*.npy") if p != path)
    shutil.copy(other, path)


@pytest.mark.parametrize("plant", [inverted, one_bit, of_another])
def test_planted_frames_are_not_believed(plant: object) -> None:
    save("clips/a.mkv", moving_block(6, seed=1))
    save("clips/b.mkv", moving_block(6, seed=2))
    dataset = folder()
    expected = [dataset.item(i)["video"].copy() for i in range(len(dataset))]
    for path in (cache_folder() / "frames").glob("*.npy"):
        plant(path)  # type: ignore[operator]
    for again in (dataset, folder()):
        found = [again.item(i)["video"] for i in range(len(again))]
        assert all(map(np.array_equal, found, expected))


def test_frames_of_other_code_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    save("clips/a.mkv", moving_block(6))
    folder().item(0)
    assert len(list((cache_folder() / "frames").glob("*.npy"))) == 1
    monkeypatch.setattr("vidgan_datasets.folder.DECODER", "another")
    folder().item(0)
    assert len(list((cache_folder() / "frames").glob("*.npy"))) == 2


def test_arrays_come_back_as_they_were_written_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    for array in (np.arange(12.0).reshape(3, 4), np.zeros((0, 2), np.uint8), np.array(3)):
        write_array(path, array)
        found = read_array(path)
        assert found is not None
        assert np.array_equal(found, array)
    write_array(path, np.arange(1000))
    whole = path.read_bytes()
    for damaged in (whole[:-1], whole[:50], b"", whole + b"x", whole[:200] + b"!" + whole[201:]):
        path.write_bytes(damaged)
        assert read_array(path) is None
    path.unlink()
    assert read_array(path) is None


def test_the_first_clip_of_a_long_video_does_not_wait_for_all_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("vidgan_datasets.folder.LONG", 100)
    save("clips/a.mp4", moving_block(240, 32, 32), g="20")
    streamed = folder(cache_gb=0.0)
    expected = [streamed.item(i)["video"] for i in (0, 99, 200)]
    dataset = folder()
    found = [dataset.item(i)["video"].copy() for i in (0, 99, 200)]
    (thread,) = dataset._cache._filling.values()  # type: ignore[attr-defined]
    thread.join()
    found += [dataset.item(i)["video"] for i in (0, 99, 200)]
    assert all(map(np.array_equal, found, expected * 2))
    assert len(list((cache_folder() / "frames").glob("*.npy"))) == 1
    assert len(pickle.loads(pickle.dumps(dataset))) == len(dataset)
