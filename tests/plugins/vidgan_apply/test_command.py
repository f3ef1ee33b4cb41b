"""`vidgan apply` on a user's files, with networks of every kind that follow a clip."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from clips import moving_block, save, save_frames
from conftest import REGISTRY, TINY, Result, small_options
from PIL import Image

from vidgan_core.cli.signals import Interruption
from vidgan_core.media.provenance import parse_mark
from vidgan_core.media.video_source import read_video
from vidgan_core.training.train import configure, train

Command = Callable[..., Result]
FOLLOWING = [n for n in REGISTRY.names("generator") if REGISTRY.load("generator", n).follows]


def trained(folder: Path, generator: str, **settings: object) -> Path:
    """A run of two steps, with adversarial training in the second one."""
    clips = folder / "clips"
    for seed in range(2):
        save(clips / f"{seed}.mkv", moving_block(12, 48, 64, seed), crf="1")
    options = small_options(REGISTRY.get("generator", generator))
    keys = {
        **{f"generator.{name}": value for name, value in options.items()},
        **{"data.frames": 5, "data.size": 32, "data.crop": "random", "data.held_out": 0},
        **{"loss.start": 1, "callback.pictures.enabled": False, "discriminator.width": 8},
        **settings,
    }
    keywords = {"gen": generator, "data": str(clips), "steps": 2, "batch": 2, "device": "cpu"}
    train(configure(None, REGISTRY, keys, keywords), REGISTRY, out=folder / "run")
    return folder / "run"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of super-resolution."""
    return trained(tmp_path_factory.mktemp("apply"), "recurrent", **{"task.scale": 2})


@pytest.mark.parametrize("generator", FOLLOWING)
def test_every_network_that_follows_a_clip_is_applied(
    vidgan: Command, tmp_path: Path, generator: str
) -> None:
    path = trained(tmp_path, generator)
    source = save(tmp_path / "in.mp4", moving_block(9, 31, 45), pixels="yuv444p", crf="1")
    result = vidgan("apply", path, source, "-o", "out.mp4", "--compare", "side.mp4", "--window", 4)
    assert result.code == 0, result.err
    assert result.out.split() == ["out.mp4"]
    with av.open("out.mp4") as container:
        stream = container.streams.video[0]
        assert stream.frames == 9
        assert (stream.height, stream.width) in ((124, 180), (32, 46))  # odd sizes grow by one
        mark = parse_mark(container.metadata["comment"])
    assert mark
    assert mark["generated-by"] == "vidgan"
    assert len(mark["applied-to"]) == 64
    assert not list(Path().glob(".*unfinished"))


def test_degraded_input_is_measured_against_the_truth(
    vidgan: Command, run: Path, tmp_path: Path
) -> None:
    source = save_frames(tmp_path / "in", moving_block(7, 48, 64))
    result = vidgan("apply", run, source, "-o", "out", "--degrade")
    assert result.code == 0, result.err
    rows = {line.split()[0]: line.split() for line in result.out.splitlines()}
    assert {"method", "result", "bicubic", "lanczos"} <= rows.keys()
    made = [np.asarray(Image.open(f"out/f{n}.png")) for n in range(7)]
    truth = moving_block(7, 48, 64)
    low = [Image.fromarray(f).resize((32, 24), Image.Resampling.BICUBIC) for f in truth]
    for name, frames in {
        "result": made,
        "bicubic": [np.asarray(f.resize((64, 48), Image.Resampling.BICUBIC)) for f in low],
    }.items():
        decibels = [psnr(one, two) for one, two in zip(frames, truth, strict=True)]
        assert float(rows[name][1]) == pytest.approx(np.mean(decibels), abs=0.01)


def psnr(one: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], two: object) -> float:
    """In dB, of luma."""
    weights = np.array([0.299, 0.587, 0.114])
    error = (np.asarray(one, float) @ weights - np.asarray(two, float) @ weights) ** 2
    return float(10 * np.log10(255**2 / error.mean()))


def test_sharpness_goes_from_the_weights_before_to_those_after(
    vidgan: Command, run: Path, tmp_path: Path
) -> None:
    source = save_frames(tmp_path / "in", moving_block(3, 24, 32))
    for name, options in {
        "before": ("--step", 1),
        "none": ("--sharpness", 0),
        "half": ("--sharpness", 0.5),
        "full": ("--sharpness", 1),
        "after": (),
    }.items():
        assert vidgan("apply", run, source, "-o", name, *options).code == 0
    pixels = {name: Path(name, "f1.png") for name in ("before", "none", "half", "full", "after")}
    shown = {name: np.asarray(Image.open(path), int) for name, path in pixels.items()}
    np.testing.assert_array_equal(shown["none"], shown["before"])
    np.testing.assert_array_equal(shown["full"], shown["after"])
    assert np.abs(shown["half"] - (shown["none"] + shown["full"]) / 2).max() <= 2


def test_a_folder_of_videos_becomes_one(vidgan: Command, run: Path, tmp_path: Path) -> None:
    for name in ("a.mp4", "b.avi"):
        save(tmp_path / "in" / name, moving_block(4, 24, 32))
    result = vidgan("apply", run, "in", "-o", "out")
    assert result.code == 0, result.err
    assert sorted(p.name for p in Path("out").iterdir()) == ["a.mp4", "b.mp4"]
    before = Path("out/a.mp4").stat().st_mtime_ns
    again = vidgan("apply", run, "in", "-o", "out")
    assert (again.code, again.err.count("is there already")) == (0, 2)
    assert Path("out/a.mp4").stat().st_mtime_ns == before


def test_one_frame_is_a_video_too(vidgan: Command, run: Path, tmp_path: Path) -> None:
    save(tmp_path / "in.mp4", moving_block(1, 24, 32))
    assert vidgan("apply", run, "in.mp4", "-o", "out.mp4").code == 0
    assert read_video(Path("out.mp4"), 48, 64).shape == (1, 48, 64, 3)


def test_a_truncated_file_is_used_as_far_as_it_goes(
    vidgan: Command, run: Path, tmp_path: Path
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 48, 64, 3), np.uint8)
    content = save(tmp_path / "in.avi", noise).read_bytes()
    Path("in.avi").write_bytes(content[: len(content) // 2])
    result = vidgan("apply", run, "in.avi", "-o", "out.mp4")
    assert result.code == 4
    assert "in.avi: a part of it is missing; out.mp4 has the" in result.err
    with av.open("out.mp4") as container:
        assert 0 < container.streams.video[0].frames < 40


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("none.mp4", "-o", "out.mp4"), "there is no none.mp4"),
        (("notes.txt", "-o", "out.mp4"), "notes.txt can't be read as a video"),
        (("in.mp4", "-o", "out.wmv"), "can't write '.wmv' as a video; .mp4"),
        (("in.mp4", "-o", "in.mp4"), "in.mp4 is the input itself"),
        (("in.png", "-o", "out.mp4"), "a picture is written as .png"),
        (("empty", "-o", "out"), "empty holds no video and no picture"),
        (("in.mp4", "-o", "out.mp4", "--compare", "out.mp4"), "--compare needs a file of its own"),
        (("in.mp4", "-o", "out.mp4", "--sharpness", "2"), "'--sharpness'"),
        (("in.mp4", "-o", "out.mp4", "--step", "7"), "no checkpoint of step 7"),
        (("in.mp4", "-o", "out.mp4", "--set", "task.scal=3"), "task.scal"),
        (("in.mp4", "-o", "out.mp4", "--set", "loss.start=3"), "only task can be set here"),
        (("sound.m4a", "-o", "out.mp4"), "no video in it"),
    ],
)
def test_mistakes_are_one_line(
    vidgan: Command, run: Path, arguments: tuple[str, ...], message: str
) -> None:
    save("in.mp4", moving_block(4, 24, 32))
    Image.fromarray(moving_block(1, 24, 32)[0]).save("in.png")
    Path("notes.txt").write_text("not a video")
    Path("empty").mkdir()
    with av.open("sound.m4a", "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), "fltp", "mono")
        frame.sample_rate = 44100
        container.mux([*stream.encode(frame), *stream.encode(None)])
    result = vidgan("apply", run, *arguments)
    assert result.code in (1, 2)
    assert message in result.err
    assert "Traceback" not in result.err
    assert not Path("out.mp4").exists()


def test_a_run_that_makes_clips_of_noise_says_so(vidgan: Command) -> None:
    assert vidgan("run", *TINY, "--steps", 1, "--out", "noise").code == 0
    save("in.mp4", moving_block(4, 24, 32))
    result = vidgan("apply", "noise", "in.mp4", "-o", "out.mp4")
    assert result.code == 2
    assert "can't be applied to a video" in result.err


@pytest.mark.parametrize("generator", FOLLOWING)
def test_stopped_work_of_every_network_goes_on(
    vidgan: Command, tmp_path: Path, generator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = trained(tmp_path, generator)
    source = save_frames(tmp_path / "in", moving_block(9, 32, 48))
    assert vidgan("apply", path, source, "-o", "whole", "--window", 2).code == 0
    asked = iter(range(1000))
    # A signal would come at another moment on each machine.
    monkeypatch.setattr(Interruption, "__call__", lambda self: next(asked) == 2)
    stopped = vidgan("apply", path, source, "-o", "parts", "--window", 2)
    assert "the same command goes on" in stopped.err
    assert not Path("parts").exists()
    monkeypatch.undo()
    assert vidgan("apply", path, source, "-o", tmp_path / "parts", "--window", 2).code == 0
    for number in range(9):
        one, two = ((tmp_path / out / f"f{number}.png").read_bytes() for out in ("parts", "whole"))
        assert one == two


def test_other_mistakes_are_one_line(vidgan: Command, run: Path) -> None:
    for name in ("a.mp4", "a.avi"):
        save(f"twice/{name}", moving_block(2, 24, 32))
    result = vidgan("apply", run, "twice", "-o", "out")
    assert "2 inputs would become a.mp4" in result.err
    Image.fromarray(moving_block(1, 24, 32)[0]).save("twice/cover.png")
    assert "holds videos and pictures" in vidgan("apply", run, "twice", "-o", "out").err
    Path("folder.mp4").mkdir()
    result = vidgan("apply", run, "twice/a.mp4", "-o", "folder.mp4")
    assert "folder.mp4 is a folder" in result.err
    result = vidgan("apply", run, "twice/a.mp4", "-o", "out.mp4", "--set", "task.scale=4")
    assert result.code == 2


def test_one_bad_video_does_not_keep_the_others_from_being_made(vidgan: Command, run: Path) -> None:
    save("in/a.mp4", moving_block(2, 24, 32))
    Path("in/b.mp4").write_bytes(b"no video")
    save("in/c.mp4", moving_block(2, 24, 32))
    result = vidgan("apply", run, "in", "-o", "out")
    assert result.code == 4
    assert "b.mp4 can't be read as a video" in result.err
    assert sorted(p.name for p in Path("out").iterdir()) == ["a.mp4", "c.mp4"]
