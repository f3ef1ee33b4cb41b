"""A run that names a path: read without a question if this user trained it here, else not."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from clips import moving_block, save
from conftest import REGISTRY, Result, configured
from vidgan_evaluation.comparison import read_runs
from vidgan_evaluation.evaluate_run import evaluate_run, named_data
from vidgan_evaluation.options import Request
from vidgan_evaluation.sample_clips import sample_clips

from vidgan_core.config.schema import RunConfig
from vidgan_core.errors import UsageError
from vidgan_core.runs.folder import RunDir
from vidgan_core.runs.vouched_paths import ENTRY, check_vouched, named_paths

Command = Callable[..., Result]


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    Path("clips").mkdir()
    return tmp_path / "state"


def recorded(name: str, *settings: str) -> RunConfig:
    """A run's folder as training begins it."""
    config = configured(*settings)
    RunDir.create(Path(name), "run").write_records(config, REGISTRY, torch.device("cpu"))
    return config


FOLDER = ("data.name=folder", "data.path=./clips")


def test_what_this_user_trained_here_is_read() -> None:
    config = recorded("run", *FOLDER)
    check_vouched(Path("run"), config)
    Path("run").rename("moved")
    check_vouched(Path("moved"), config)


def test_a_run_without_paths_needs_no_key(own_state: Path) -> None:
    check_vouched(Path("run"), recorded("run", "data.name=shapes"))
    assert not own_state.exists()


def test_the_key_is_for_the_users_eyes_alone(own_state: Path) -> None:
    recorded("run", *FOLDER)
    recorded("other", *FOLDER)
    (key,) = (own_state / "vidgan").iterdir()
    assert key.stat().st_mode & 0o077 == 0
    assert key.read_bytes().hex() not in Path("run/environment.json").read_text()


def untrusted_runs() -> dict[str, Callable[[Path], object]]:
    """What a run that comes from elsewhere may bring."""

    def reported(value: object) -> Callable[[Path], object]:
        def write(file: Path) -> None:
            file.write_text(json.dumps(json.loads(file.read_text()) | {ENTRY: value}))

        return write

    return {
        "another key": lambda file: shutil.rmtree(os.environ["XDG_STATE_HOME"]),
        "no record": Path.unlink,
        "no signature": reported(None),
        "a number": reported(1),
        "a guess": reported("0" * 64),
        "no ASCII": reported("\u00e9"),
        "no JSON": lambda file: file.write_text("{"),
        "deep": lambda file: file.write_text("[" * 100_000),
        "a pipe": lambda file: (file.unlink(), os.mkfifo(file)),
    }


@pytest.mark.parametrize("case", untrusted_runs())
def test_a_third_party_run_is_not_believed(case: str) -> None:
    config = recorded("run", *FOLDER)
    untrusted_runs()[case](Path("run/environment.json"))
    with pytest.raises(UsageError, match=r"run was not trained here and names clips \(data.path\)"):
        check_vouched(Path("run"), config)
    check_vouched(Path("run"), config, ["data.path"])


def test_another_path_than_the_one_trained_on_is_not_vouched_for() -> None:
    recorded("run", *FOLDER)
    for path in ("/etc", "~", "../", "run/../..", "clips/.."):
        with pytest.raises(UsageError, match="not trained here"):
            check_vouched(Path("run"), configured("data.name=folder", f"data.path={path}"))


def test_what_lies_in_the_runs_folder_is_read() -> None:
    Path("run/clips").mkdir(parents=True)
    config = configured("data.name=folder", "data.path=run/clips")
    check_vouched(Path("run"), config)
    Path("run/link").symlink_to("/etc")
    with pytest.raises(UsageError, match="not trained here"):
        check_vouched(Path("run"), configured("data.name=folder", "data.path=run/link"))


def test_metrics_and_features_may_name_files_too() -> None:
    config = configured("data.name=shapes", "features.i3d.weights=/etc/passwd")
    assert list(named_paths(config)) == ["features.i3d.weights"]
    with pytest.raises(UsageError, match=r"--set features\.i3d\.weights=PATH"):
        check_vouched(Path("run"), config)


def test_eval_and_compare_ask_before_they_read(
    vidgan: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stranger's run on a folder of clips: nothing of it is looked into without --data."""
    for number in range(40):
        save(Path(f"clips/{number}.mp4"), moving_block(6, seed=number))
    small = ("generator.width=2", "discriminator.width=2", "data.frames=4", "data.size=16")
    settings = [word for s in (*small, "callback.pictures.count=1") for word in ("--set", s)]
    arguments = ("--gen", "conv3d", "--batch", 2, "--device", "cpu", "--data", "./clips", *settings)
    result = vidgan("run", *arguments, "--steps", 1, "--out", "run")
    assert result.code == 0, result.err

    def numbers(*extra: str) -> None:
        request = Request(metrics=("none",), split="train")
        list(evaluate_run(Path("run"), "newest", extra, REGISTRY, request))

    def shown(data: str | None = None) -> tuple[int, list[str]]:
        found, failed = sample_clips(read_runs([Path("run")], REGISTRY), REGISTRY, 0, data)
        return len(found), failed

    numbers()
    assert shown() == (2, [])
    monkeypatch.setenv("XDG_STATE_HOME", "elsewhere")  # as for another user, or on another machine
    with pytest.raises(UsageError, match="not trained here"):
        numbers()
    count, failed = shown()
    assert count == 1
    assert "no real clips are shown: run was not trained here" in failed[0]
    numbers(*named_data("./clips"))
    assert shown("./clips") == (2, [])
