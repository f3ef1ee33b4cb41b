"""Model files from third parties: refused before they cost anything, and nothing in them runs."""

from __future__ import annotations

import hashlib
import json
import resource
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import REGISTRY, SMALL, Result, configured, small
from forge import DEEP, HOSTILE, Forge

from vidgan_core import memory
from vidgan_core.errors import CheckpointError, ComponentError, VidganError
from vidgan_core.inference.sampler import Sampler
from vidgan_core.runs import checkpoint
from vidgan_core.runs.checkpoint import MANIFEST, MODEL
from vidgan_core.runs.folder import RunDir
from vidgan_core.training.parts import build_network
from vidgan_core.training.run import Run


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint as a stranger might publish it: without what only training needs."""
    config = small(
        "conv3d",
        *("minimax", "data.frames=4", "data.size=16", "generator.width=1"),
        *("discriminator.width=1", "steps=1"),
    )
    run = Run(config, REGISTRY)
    run.begin(RunDir.create(tmp_path_factory.mktemp("honest") / "run", "run"))
    run.fit()
    path = checkpoint.available(run.folder.checkpoints)[0]
    (path / checkpoint.TRAIN).unlink()
    return path


class Audit:
    """What the interpreter does between `start` and `stop`; audit hooks can't be removed."""

    def __init__(self) -> None:
        self.on = False
        self.events: list[str] = []
        sys.addaudithook(self._note)

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & 3
        kind = event.partition(".")[0]
        if self.on and (writes or kind in ("import", "exec", "socket", "subprocess")):
            self.events.append(f"{event} {arguments!r:.200}")


@pytest.fixture(scope="module")
def audit(honest: Path) -> Audit:
    Sampler.load(honest, device="cpu", registry=REGISTRY)  # imports what an honest file needs
    with pytest.raises(VidganError):
        Sampler.load(honest, device="cpu", registry=REGISTRY).sample(10**9)
    with torch.device("meta"):  # and what the deep one does
        build_network(configured(generator="modern"), REGISTRY, SMALL, "generator")
    return Audit()


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_file_is_refused_at_once(
    case: str, honest: Path, audit: Audit, record_property: Callable[[str, object], None]
) -> None:
    forge, message = HOSTILE[case]
    it = Forge(honest)
    forge(it)
    if case == "larger than memory":  # nobody would hash a terabyte
        text = json.loads((it.path / MANIFEST).read_text())
        text[MODEL]["size"] = (it.path / MODEL).stat().st_size
        del text[MANIFEST]
        seal = hashlib.sha256(json.dumps(text, indent=1, sort_keys=True).encode()).hexdigest()
        (it.path / MANIFEST).write_text(json.dumps(text | {MANIFEST: {"sha256": seal}}))
    else:
        it.seal()
    before, peak = resident(), Peak()
    started = time.process_time()
    audit.events.clear()
    with peak:
        audit.on = True
        try:
            with pytest.raises(VidganError, match=message) as error:
                Sampler.load(it.path, device="cpu", registry=REGISTRY)
        finally:
            audit.on = False
    assert time.process_time() - started < 2
    assert peak.bytes - before < 200 << 20
    assert not audit.events
    assert str(error.value).isprintable()
    record_property("hostile", f"{case}: refused")


def test_the_honest_file_is_read_and_forging_alone_changes_nothing(
    honest: Path, audit: Audit
) -> None:
    """The refusals are not the forge's own doing."""
    it = Forge(honest)
    it.model()
    it.rewrite()
    it.seal()
    audit.events.clear()
    audit.on = True
    sampler = Sampler.load(it.path, device="cpu", registry=REGISTRY)
    audit.on = False
    assert sampler.sample(1).shape == (1, 3, 4, 16, 16)
    assert not audit.events


def test_a_missing_component_is_named_with_where_it_was_from(honest: Path) -> None:
    it = Forge(honest)
    it.state["config"]["generator"]["name"] = "dream\x1b[2J"
    it.state["components"]["generator"] |= {"distribution": "vidgan-dream", "version": "1.4"}
    it.rewrite()
    it.seal()
    with pytest.raises(ComponentError) as error:
        Sampler.load(it.path, registry=REGISTRY)
    message = str(error.value)
    assert "needs the generator 'dream\\x1b[2J', which is not installed" in message
    assert "it was from the distribution 'vidgan-dream' '1.4'" in message


def test_a_manifest_that_is_not_one_is_refused(honest: Path) -> None:
    for text in ("[]", "{}", '{"model.safetensors": 3}', "x" * 100, DEEP):
        shutil.rmtree("forged", ignore_errors=True)
        it = Forge(honest)
        (it.path / MANIFEST).write_text(text)
        with pytest.raises(CheckpointError, match=MANIFEST):
            checkpoint.load(it.path)


def test_doubles_are_right_where_the_run_was_in_double_precision() -> None:
    settings = ("data.frames=4", "data.size=16", "generator.width=1", "discriminator.width=1")
    config = small("conv3d", "minimax", *settings, "steps=1", "trainer.precision=fp64")
    run = Run(config, REGISTRY)
    run.begin(RunDir.create(Path("run"), "run"))
    run.fit()
    assert Sampler.load("run", device="cpu", registry=REGISTRY).sample(1).shape[0] == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("-n", 1_000_000),
        ("-n", 1_000_000, "-o", "a.png"),
        ("-n", 1_000_000, "--batch", 1_000_000, "-o", "folder"),
        ("-n", 10**30),
        ("--frames", 10**30),
        ("--frames", 10_000_000),
        ("--seed", 10**30),
        ("--step", 10**30),
        ("--class", 10**30),
        ("--batch", 10**30),
        ("--fps", "nan"),
        ("--rate", "inf"),
    ],
)
def test_a_request_that_is_too_large_gets_a_line(
    arguments: tuple[object, ...], honest: Path, vidgan: Callable[..., Result]
) -> None:
    available = memory.available
    memory.available = lambda: 1 << 30  # type: ignore[assignment]
    peak, before, started = Peak(), resident(), time.process_time()
    try:
        with peak:
            result = vidgan("sample", honest, "--device", "cpu", *arguments)
    finally:
        memory.available = available
    assert result.code in (1, 2), result.err
    assert "Traceback" not in result.err
    assert result.err.splitlines()[-1].lower().startswith("error: ")
    assert peak.bytes - before < 200 << 20
    assert time.process_time() - started < 5
    assert not Path("sample.mp4").exists()


def test_the_limit_of_a_cgroup_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    group = tmp_path / "outer" / "inner"
    group.mkdir(parents=True)
    for folder, limit in ((group, "max"), (group.parent, "1000000")):
        (folder / "memory.max").write_text(limit)
        (folder / "memory.current").write_text("600000")
        (folder / "memory.stat").write_text("anon 1\ninactive_file 100000\n")
    (tmp_path / "self").write_text("0::/outer/inner\n")
    monkeypatch.setattr(memory, "_CGROUPS", tmp_path)
    monkeypatch.setattr(memory, "_MEMBER", tmp_path / "self")
    assert memory.available() == 500_000
    with pytest.raises(VidganError, match="a thing needs 500,001 bytes of memory; there are 500"):
        memory.check_memory("a thing", 500_001)
    memory.check_memory("a thing", 500_000)


def resident() -> int:
    """How many bytes of memory this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


class Peak:
    """The most memory that the process held within the block."""

    bytes = 0

    def __enter__(self) -> None:
        Path("/proc/self/clear_refs").write_text("5")  # starts VmHWM anew

    def __exit__(self, *_: object) -> None:
        status = Path("/proc/self/status").read_text()
        line = next(text for text in status.splitlines() if text.startswith("VmHWM"))
        self.bytes = int(line.split()[1]) * 1024


@pytest.mark.parametrize("value", [None, [], {}, "1", True, -1, 0, 1e308, 10**400, 10**6])
def test_a_rate_that_is_none_is_ignored(value: object, honest: Path) -> None:
    it = Forge(honest)
    it.state["config"]["callback"] = {"pictures": {"fps": value}}
    it.rewrite()
    it.seal()
    try:
        sampler = Sampler.load(it.path, device="cpu", registry=REGISTRY)
    except CheckpointError:
        return
    assert sampler.fps == 12.5
