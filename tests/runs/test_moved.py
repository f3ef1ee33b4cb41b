"""Folders that are moved while a run trains in them: nothing of one run lands in another's."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import REGISTRY, small

from vidgan_core.config.schema import RunConfig
from vidgan_core.errors import VidganError
from vidgan_core.runs import checkpoint, folder_lock
from vidgan_core.runs.folder import RunDir
from vidgan_core.training.run import Run

pytest.importorskip("fcntl")


def config(seed: int = 0, steps: int = 4) -> RunConfig:
    return small(
        "conv3d",
        *("minimax", "generator.width=1", "discriminator.width=1", "generator.noise_size=4"),
        *(f"steps={steps}", "checkpoint.every=1", "trainer.report_every=1", f"seed={seed}"),
        "callback.metrics-log.enabled=true",
    )


def begun(name: str, seed: int = 0) -> Run:
    settings = config(seed)
    run = Run(settings, REGISTRY)
    run.begin(RunDir.create(Path(name), "run"))
    return run


def steps(run: Run, upto: int) -> bool:
    """Train a part of the way and keep the lock, as a run that goes on does."""
    return run._advance(lambda: run.step >= upto)


def contents(folder: str) -> dict[str, bytes]:
    files = sorted(p for p in Path(folder).rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


@pytest.fixture
def two() -> Iterator[tuple[Run, Run]]:
    """Two runs, each a step on."""
    runs = begun("a", 1), begun("b", 2)
    for run in runs:
        steps(run, 1)
    yield runs
    for run in runs:
        run.batches.close()


def test_a_run_follows_its_folder(two: tuple[Run, Run]) -> None:
    """Folders that change places: each save lands with its own run."""
    first, second = two
    Path("a").rename("x")
    Path("b").rename("a")
    Path("x").rename("b")
    steps(first, 2)
    steps(second, 2)
    for name, seed in (("b", 1), ("a", 2)):
        saved = checkpoint.newest(Path(name) / "checkpoints")
        assert saved
        assert (saved.state["step"], saved.state["config"]["seed"]) == (2, seed)
    assert first.folder.path.resolve() == Path("b").resolve()


def test_what_took_its_place_stays_as_it_is(
    two: tuple[Run, Run], caplog: pytest.LogCaptureFixture
) -> None:
    first, _ = two
    Path("a").rename("elsewhere")
    shutil.copytree("b", "a")
    before = contents("a")
    steps(first, 3)
    first.folder.append_metrics({"step": 3})
    assert contents("a") == before
    assert checkpoint.step_of(checkpoint.available(Path("elsewhere/checkpoints"))[-1]) == 3
    assert caplog.text.count("was moved; the run goes on in") == 1


def test_a_folder_that_can_not_be_followed_ends_the_run(
    two: tuple[Run, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on systems that do not tell where an open folder is."""
    monkeypatch.setattr(folder_lock.FolderLock, "_moved_to", lambda self: None)
    first, _ = two
    Path("a").rename("elsewhere")
    shutil.copytree("b", "a")
    before = contents("a")
    with pytest.raises(VidganError, match="no longer the folder that this run trains in"):
        steps(first, 3)
    assert contents("a") == before


def test_a_folder_that_was_deleted_ends_the_run(two: tuple[Run, Run]) -> None:
    shutil.rmtree("a")
    Path("a").mkdir()
    with pytest.raises(VidganError, match="no longer the folder"):
        steps(two[0], 2)
    assert not contents("a")


def test_a_finished_run_lets_go_of_its_folder() -> None:
    run = begun("a")
    assert run.fit()
    Path("a").rename("b")
    assert RunDir.open(Path("b")).lock()
    assert run.folder.path == Path("a")
