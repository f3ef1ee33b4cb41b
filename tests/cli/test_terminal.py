"""What third parties name things, on a terminal: no escape of theirs reaches it."""

from __future__ import annotations

import json
import os
import pty
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import GOOD, TINY, Result
from PIL import Image, PngImagePlugin

Command = Callable[..., Result]
EVIL = "x\x1b]0;owned\x07\x1b[2J\x1b[31m\x9b2J\r\u202e\nerror: forged"
OK = b"\x1b[0m"


def on_terminal(*arguments: object, site: str = "") -> bytes:
    """Return what a command writes to a terminal, on which it runs."""
    pid, terminal = pty.fork()
    if pid == 0:
        environment = os.environ | {"PYTHONPATH": site, "OMP_NUM_THREADS": "1", "TERM": "xterm"}
        command = [sys.executable, "-m", "vidgan_core", *map(os.fsdecode, map(str, arguments))]
        os.execve(sys.executable, command, environment)
    out = b""
    try:
        while part := os.read(terminal, 1 << 16):
            out += part
    except OSError:  # the other end is closed
        pass
    os.waitpid(pid, 0)
    os.close(terminal)
    return out.replace(b"\r\n", b"\n")


def assert_harmless(out: bytes) -> None:
    assert b"owned" in out, out
    for bad in (b"\x1b", b"\x07", b"\r", "\x9b".encode(), "\u202e".encode(), b"\nerror: forged"):
        assert bad not in out, out


def picture(path: Path, comment: str) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", comment)
    Image.new("RGB", (8, 8)).save(path, "PNG", pnginfo=info)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from conftest import REGISTRY, small

    from vidgan_core.runs.folder import RunDir
    from vidgan_core.training.run import Run

    settings = ("generator.width=1", "discriminator.width=1", "generator.noise_size=4", "steps=1")
    config = small("conv3d", "minimax", *settings)
    run = Run(config, REGISTRY)
    run.begin(RunDir.create(tmp_path_factory.mktemp("trained") / EVIL, "run"))
    run.fit()
    return run.folder.path


def test_names_of_files_and_folders(trained: Path) -> None:
    assert_harmless(on_terminal("inspect", f"missing {EVIL}"))
    assert_harmless(on_terminal("sample", f"missing {EVIL}"))
    assert_harmless(on_terminal("sample", trained, "-n", 1, "-o", f"{EVIL}.png"))
    (trained / "samples" / EVIL).touch()
    assert_harmless(on_terminal("inspect", trained))
    out = on_terminal("run", "--resume", trained, "--steps", 2)  # whose bar moves the cursor
    assert b"owned" in out
    assert b"\x1b]0" not in out
    assert b"\x1b[2J" not in out
    assert b"\nerror: forged" not in out


def test_arguments_and_configurations() -> None:
    assert_harmless(on_terminal(EVIL))
    assert_harmless(on_terminal("run", "--gen", EVIL, "--dry-run"))
    assert_harmless(on_terminal("run", "--set", f"{EVIL}=1", "--dry-run"))
    assert_harmless(on_terminal("run", "--set", f"trainer.device={EVIL}", "--dry-run"))
    Path("c.toml").write_text(f"{json.dumps(EVIL)} = 3\n")
    assert_harmless(on_terminal("run", "-c", "c.toml", "--dry-run"))


def test_marks_and_metrics(trained: Path) -> None:
    mark = {"generated-by": f"vidgan {EVIL}", "model": EVIL, "seed": EVIL}
    picture(Path("a.png"), json.dumps(mark))
    out = on_terminal("inspect", "a.png")
    assert b"\x1b" not in out
    assert b"\x07" not in out
    line = {"step": 1, "seconds": 1.0, EVIL: 1.0}
    (trained / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    assert_harmless(on_terminal("inspect", trained))


def test_plugins_and_their_metadata(install: Callable[..., None], tmp_path: Path) -> None:
    evil = json.dumps(EVIL)
    manifest = GOOD.replace('"a loss of a stranger\'s"', evil)
    install("rude", manifest)
    install("worse", f"raise RuntimeError({evil})\n")
    site = str(tmp_path / "site")
    assert_harmless(on_terminal("plugins", site=site))
    assert_harmless(on_terminal("plugins", "info", "rude", site=site))


@pytest.mark.parametrize("name", ["caf\udce9", "\udcff\udcfe"])
def test_paths_that_are_not_utf8_work(name: str, vidgan: Command) -> None:
    """Linux takes any bytes for a name; Python holds them as lone surrogates."""
    result = vidgan("run", *TINY, "--steps", 1, "--out", f"run-{name}")
    assert result.code == 0, result.err
    for out in ("a.mp4", "a.gif", "a.png"):
        result = vidgan("sample", f"run-{name}", "-n", 1, "-o", f"{name}-{out}")
        assert result.code == 0, result.err
        assert Path(f"{name}-{out}").stat().st_size
    assert vidgan("inspect", f"run-{name}").code == 0
    assert vidgan("run", "--resume", f"run-{name}", "--steps", 2).code == 0


def test_a_path_that_can_not_be_written_down_gets_a_line(vidgan: Command) -> None:
    Path("videos-\udcff").mkdir()
    for arguments in (
        ("run", "--data", "./videos-\udcff", "--dry-run"),
        ("run", "--set", "data.name=\udcff"),
        ("data", "check", "./videos-\udcff"),
        ("run", "-c", "\udcff.toml"),
    ):
        result = vidgan(*arguments)
        assert result.code in (0, 1, 2), result.err
        assert "Traceback" not in result.err
        assert len(result.err.splitlines()) == 1, result.err
