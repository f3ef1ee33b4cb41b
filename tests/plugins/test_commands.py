"""Commands from plugins: found without importing them, and never in the way of ours."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Result

Command = Callable[..., Result]
Install = Callable[..., None]

GOOD = (
    '"""Say hello."""\n\nimport click\n\n@click.command()\ndef command():\n    click.echo("hi")\n'
)


@pytest.fixture
def install_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a distribution `stranger-NAME` that announces a command."""
    monkeypatch.syspath_prepend(str(tmp_path / "site"))

    def write(name: str, command: str, source: str = GOOD, summary: str = "A stranger.") -> None:
        info = tmp_path / "site" / f"stranger_{name}-1.2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: stranger-{name}\nVersion: 1.2\nSummary: {summary}\n"
        )
        (info / "entry_points.txt").write_text(
            "[console_scripts]\nx = y:z\n\n"
            f"[vidgan.commands]\n{command} = stranger_{name}:command\n"
        )
        if source:
            (tmp_path / "site" / f"stranger_{name}.py").write_text(source)

    yield write
    for name in [name for name in sys.modules if name.startswith("stranger_")]:
        del sys.modules[name]


def test_a_command_is_listed_with_its_docstring_and_runs(
    install_command: Install, vidgan: Command
) -> None:
    install_command("greeter", "greet")
    assert "greet  Say hello. (stranger-greeter 1.2)" in vidgan("--help").out
    assert "stranger_greeter" not in sys.modules
    assert vidgan("greet").out == "hi\n"
    assert "did you mean 'greet'?" in vidgan("gret").err


@pytest.mark.parametrize("source", ["", "import click\n", "# no docstring"])
def test_without_a_docstring_the_summary_is_shown(
    install_command: Install, vidgan: Command, source: str
) -> None:
    install_command("greeter", "greet", source)
    assert "greet  A stranger. (stranger-greeter 1.2)" in vidgan("--help").out


def test_the_docstring_may_begin_late(install_command: Install, vidgan: Command) -> None:
    install_command("greeter", "greet", '#!/usr/bin/python\n\nr"""\n  Say \x1b[2Jhello.\n"""\n')
    assert "Say \\x1b[2Jhello. (stranger" in vidgan("--help").out


@pytest.mark.parametrize("name", ["run", "eval"])
def test_a_name_of_ours_stays_ours(install_command: Install, vidgan: Command, name: str) -> None:
    install_command("thief", name)
    assert f"vidgan {name} " in vidgan(name, "--help").out.splitlines()[0]
    assert vidgan(f"stranger-thief:{name}").out == "hi\n"
    listed = [line.split()[0] for line in vidgan("--help").out.splitlines() if line.strip()]
    assert name in listed
    assert f"stranger-thief:{name}" in listed


def test_a_name_that_two_claim_is_used_with_the_distribution(
    install_command: Install, vidgan: Command
) -> None:
    install_command("one", "greet")
    install_command("two", "greet")
    result = vidgan("greet")
    assert result.code == 2
    assert "say which: stranger-one:greet or stranger-two:greet" in result.err
    assert vidgan("stranger-two:greet").out == "hi\n"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("", "ModuleNotFoundError"),
        ("def f(:", "SyntaxError"),
        ("import sys; sys.exit(5)", "SystemExit: 5"),
        ("print('noise')", "AttributeError"),
        ("command = 3", "is not a click command"),
    ],
)
def test_a_broken_command_is_one_line_and_exit_code_3(
    install_command: Install, vidgan: Command, source: str, reason: str
) -> None:
    install_command("broken", "greet", source)
    result = vidgan("greet")
    assert (result.code, result.out) == (3, "")
    (line,) = [line for line in result.err.splitlines() if line != "noise"]
    assert line.startswith(
        "error: command 'greet' of stranger-broken 1.2 (stranger_broken:command)"
    )
    assert reason in line
    assert vidgan("--help").code == 0


def test_metadata_that_cant_be_read_hurt_nobody(
    install_command: Install, vidgan: Command, tmp_path: Path
) -> None:
    install_command("fine", "greet")
    for number, content in enumerate(
        (b"[vidgan.commands]\n===\n[[", b"[vidgan.commands]\n\xff = x:y")
    ):
        info = tmp_path / f"site/odd_{number}-1.dist-info"
        info.mkdir()
        (info / "entry_points.txt").write_bytes(content)
    (tmp_path / "site/odd_3-1.dist-info").write_text("a file")
    assert "greet" in vidgan("--help").out


def test_third_party_commands_can_be_left_out(
    install_command: Install, vidgan: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_command("greeter", "greet")
    assert "greet" not in vidgan("--no-plugins", "--help").out
    assert vidgan("greet", "--no-plugins").code == 2
    for listed, there in {"": False, "other": False, "Stranger_Greeter": True}.items():
        monkeypatch.setenv("VIDGAN_PLUGINS", listed)
        assert ("greet" in vidgan("--help").out) == there
        assert "eval" in vidgan("--help").out


def test_no_plugins_before_the_command_holds_for_it(
    install_command: Install, install: Install, vidgan: Command
) -> None:
    install("broken", "raise RuntimeError")
    assert "stranger" in vidgan("plugins").err
    assert "stranger" not in vidgan("--no-plugins", "plugins").err


def test_fifty_plugins_are_listed_and_none_is_imported(install_command: Install) -> None:
    for number in range(50):
        install_command(f"n{number}", f"greet{number}", '"""Greet."""\nraise RuntimeError\n')
    program = (
        "import sys; sys.argv = ['vidgan', '--help']\n"
        "import atexit; atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
        "from vidgan_core.cli import main; main()"
    )
    site = str(Path("site").resolve())
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": site, "COLUMNS": "200"},
    )
    assert all(f"greet{number} " in done.stdout for number in range(50))
    imported = done.stderr.split()
    assert "importlib.metadata" not in imported
    assert not [name for name in imported if name.startswith(("stranger_", "vidgan_eval", "torch"))]
