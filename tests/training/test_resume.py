"""What a run goes on from, what it refuses to go on from, and what it keeps."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import REGISTRY, TINY, Result

from vidgan_core.errors import CheckpointError
from vidgan_core.runs import checkpoint
from vidgan_core.runs.checkpoint import Checkpoint
from vidgan_core.runs.folder import RunDir
from vidgan_core.training.run import Run

Command = Callable[..., Result]
EVERY_STEP = ("--set", "checkpoint.every=1", "--set", "checkpoint.keep=2")


def saved_run(vidgan: Command, steps: int) -> tuple[RunDir, Run, Checkpoint]:
    """A finished run, a fresh one to put it into, and its newest checkpoint."""
    assert vidgan("run", *TINY, *EVERY_STEP, "--steps", steps, "--out", "out").code == 0
    folder = RunDir.open(Path("out"))
    saved = checkpoint.newest(folder.checkpoints)
    assert saved
    return folder, Run(folder.read_config(REGISTRY), REGISTRY), saved


def test_a_folder_left_by_a_kill_in_the_first_moment_is_a_fresh_one(vidgan: Command) -> None:
    Path("out").mkdir()
    Path("out/.tmp-config.toml").write_text("seed = ")
    arguments = ("run", *TINY, "--steps", 1, "--out", "out")
    assert vidgan(*arguments, "--resume", "auto").code == 0
    assert "not empty" in vidgan(*arguments).err


def test_a_run_killed_before_its_first_checkpoint_starts_again(vidgan: Command) -> None:
    folder, *_ = saved_run(vidgan, 1)
    checkpoint.drop_after(folder.checkpoints, 0)
    arguments = ("run", *TINY, *EVERY_STEP, "--out", "out", "--resume", "auto")
    assert vidgan(*arguments, "--steps", 2).code == 0
    assert [m["step"] for m in folder.read_metrics()] == [1, 2]


def test_other_data_are_refused_and_other_versions_are_told(
    vidgan: Command, caplog: pytest.LogCaptureFixture
) -> None:
    folder, run, saved = saved_run(vidgan, 1)
    saved.state["versions"]["torch"] = "1.0"
    run.resume(folder, saved)
    assert "'torch' is '2." in caplog.text
    vars(run.batches.dataset)["fingerprint"] = "other"
    with pytest.raises(CheckpointError, match="the data set has changed"):
        run.resume(folder, saved)


def test_damaged_later_checkpoints_do_not_crowd_out_the_healthy_ones(vidgan: Command) -> None:
    folder, *_ = saved_run(vidgan, 2)
    for path in checkpoint.available(folder.checkpoints)[1:]:
        for step in (40, 50):
            path.with_name(f"step-{step:08d}").mkdir()
    arguments = ("run", *TINY, *EVERY_STEP, "--out", "out", "--resume", "auto")
    result = vidgan(*arguments, "--steps", 3)
    assert result.code == 0
    assert "using step-00000002 instead" in result.err
    kept = checkpoint.available(folder.checkpoints)
    assert [checkpoint.load(path).state["step"] for path in kept] == [2, 3]


def test_a_disk_that_takes_no_more_ends_the_run_with_one_line(vidgan: Command) -> None:
    folder, *_ = saved_run(vidgan, 1)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        result = vidgan("run", "--resume", "out", "--steps", 3)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert result.code == 1
    assert "can't save out/checkpoints/step-00000002: File too large: it takes" in result.err
    assert "Traceback" not in result.err
    newest = checkpoint.newest(folder.checkpoints)
    assert newest
    assert newest.state["step"] == 1


def test_a_limited_run_saves_and_goes_on_from_there(vidgan: Command) -> None:
    arguments = ("run", *TINY, "--out", "out", "--resume", "auto")
    assert vidgan(*arguments, "--steps", 100_000, "--minutes", 1e-4).code == 0
    folder = RunDir.open(Path("out"))
    step = checkpoint.step_of(checkpoint.available(folder.checkpoints)[-1])
    assert 0 < step < 100_000
    assert vidgan(*arguments, "--steps", step + 1, "--minutes", 1e-4).code == 0  # spent already
    assert checkpoint.step_of(checkpoint.available(folder.checkpoints)[-1]) == step
    assert vidgan(*arguments, "--steps", step + 1, "--minutes", 1).code == 0
    assert checkpoint.step_of(checkpoint.available(folder.checkpoints)[-1]) == step + 1


EDITS = {
    "optimizer.lr": ("lr = 0.0002\n", "lr = 0.5\n"),
    "seed": ("seed = 0\n", "seed = 1\n"),
    "game.d_steps": ("d_steps = 1\n", "d_steps = 2\n"),
    "data.batch": ("batch = 2\n", "batch = 4\n"),
    "trainer.ema": ("ema = 0.995\n", "ema = 0.5\n"),
    "trainer.precision": ('precision = "fp32"\n', 'precision = "fp64"\n'),
    "loss.weight": ("weight = 1.0\n", "weight = 2.0\n"),
    "checkpoint.every": ("every = 1\nkeep", "every = 2\nkeep"),
    "generator.width": ("width = 2\n", "width = 3\n"),
}


@pytest.mark.parametrize("key", EDITS)
@pytest.mark.parametrize("auto", [False, True])
def test_an_edited_config_is_refused_by_name(key: str, auto: bool, vidgan: Command) -> None:
    """What was trained is in the checkpoint: config.toml is but its copy."""
    folder, *_ = saved_run(vidgan, 1)
    before = folder.config_file.read_text()
    assert before.count(EDITS[key][0]) >= 1
    folder.config_file.write_text(before.replace(*EDITS[key]))
    again = ("-c", "out/config.toml", "--out", "out", "--resume", "auto")
    result = vidgan("run", *(again if auto else ("--resume", "out")), "--steps", 2)
    assert result.code == 2, result.err
    assert "can't resume with another configuration" in result.err
    assert f"{key} from " in result.err
    assert checkpoint.step_of(checkpoint.available(folder.checkpoints)[-1]) == 1


def test_what_is_free_may_be_edited(vidgan: Command) -> None:
    folder, *_ = saved_run(vidgan, 1)
    text = folder.config_file.read_text().replace('workers = "auto"', "workers = 0")
    folder.config_file.write_text(text.replace("steps = 1\ncondition", "steps = 2\ncondition"))
    assert vidgan("run", "--resume", "out").code == 0
    assert checkpoint.step_of(checkpoint.available(folder.checkpoints)[-1]) == 2


def test_a_config_that_was_edited_back_is_no_change(vidgan: Command) -> None:
    """The flags say what the checkpoint says: then an edited file does no harm."""
    folder, *_ = saved_run(vidgan, 1)
    text = folder.config_file.read_text()
    folder.config_file.write_text(text.replace("lr = 0.0002\n", "lr = 0.5\n"))
    result = vidgan("run", "--resume", "out", "--set", "optimizer.lr=0.0002", "--steps", 2)
    assert result.code == 0, result.err
    assert "lr = 0.0002\n" in folder.config_file.read_text()
