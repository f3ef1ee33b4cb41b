"""However broken a plugin is, every command works, and says which one it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import CODE, GOOD, TINY, Result

from vidgan_core.errors import UsageError
from vidgan_core.plugins.registry import Registry

Command = Callable[..., Result]
Install = Callable[..., None]

HEAD = GOOD.split("@hookimpl", maxsplit=1)[0]
YIELDS = HEAD + "@hookimpl\ndef vidgan_components():\n    {}\n"
HOOK = "\n@hookimpl\ndef vidgan_step_end(run, scalars):\n    raise RuntimeError('no more paper')\n"

# What is wrong, and what is reported of it wherever plugins are discovered.
AT_DISCOVERY = {
    "importerror": ("import a_module_that_is_not_there", "ModuleNotFoundError"),
    "syntaxerror": ("def f(:", "SyntaxError"),
    "exits": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "wrongrecord": (YIELDS.format("yield 3"), "TypeError: vidgan_components() yielded 3"),
    "wrongkind": (GOOD.replace('"loss"', '"lose"'), "has the unknown kind 'lose'"),
    "wrongname": (GOOD.replace("{name}", "a\x1b[31m"), "can't be a name"),
    "wrongtarget": (GOOD.replace("_code:Loss", "_code.Loss"), "is not package.module:Class"),
    "misspelt": (GOOD.replace("def vidgan_components", "def vidgan_component"), "unknown hook"),
    "wrongargument": (GOOD + HOOK.replace("scalars", "scalar"), "PluginValidationError"),
    "raises": (YIELDS.format("raise KeyError('x')"), "KeyError: 'x'"),
    "toonew": ("VIDGAN_API = 99\n" + GOOD, "upgrade vidgan"),
    "tooold": ("VIDGAN_API = 0\n" + GOOD, "upgrade or uninstall the plugin"),
    "builtin": (GOOD.replace("{name}", "lsgan"), "loss stranger-builtin:lsgan is that of"),
    "prints": ("print('hello')\n" + GOOD, "prints when imported: hello"),
}
# What a command notices that imports the target, or trains.
WHEN_USED = {
    "absent": (GOOD, "AttributeError"),
    "otherkind": (GOOD.replace('"loss"', '"term"'), "is not a term"),
    "hook": (GOOD + HOOK, "RuntimeError: no more paper"),
}
STATUS = {"toonew": "too new", "tooold": "too old", "builtin": "clash", "prints": "ok"}


def broken(install: Install, how: str) -> None:
    """Install a plugin that is broken in one way."""
    manifest, _ = (AT_DISCOVERY | WHEN_USED)[how]
    install(how, manifest, code="" if how == "absent" else CODE)


def names_it(result: Result, how: str) -> bool:
    """Is the plugin named on stderr, with distribution, version and reason?"""
    _, reason = (AT_DISCOVERY | WHEN_USED)[how]
    return any(f"stranger-{how} 1.2" in line and reason in line for line in result.err.splitlines())


def forget() -> None:
    """Let the next command import third parties' modules again, as a new process would."""
    for name in [name for name in sys.modules if name.startswith("stranger_")]:
        del sys.modules[name]


@pytest.mark.parametrize("how", [*AT_DISCOVERY, *WHEN_USED])
def test_a_broken_plugin_is_named_and_hurts_nobody(
    install: Install, vidgan: Command, how: str
) -> None:
    broken(install, how)
    listed = vidgan("plugins", "--json")
    forget()
    ran = vidgan("run", *TINY, "--loss", "hinge", "--steps", 1, "--out", "out")
    assert (listed.code, ran.code) == (0, 0), ran.err
    records = [r for r in json.loads(listed.out) if r["distribution"] == f"stranger-{how}"]
    expected = STATUS.get(how, "failed" if how in AT_DISCOVERY else "ok")
    assert {(r["status"], r["version"]) for r in records} == {(expected, "1.2")}
    assert names_it(listed, how) == (how in AT_DISCOVERY)
    assert names_it(ran, how) == (how in AT_DISCOVERY or how == "hook")
    for result in (listed, ran):
        assert "Traceback" not in result.err
        assert "hello" not in result.out
    assert "stranger" not in vidgan("--help").err
    alone = vidgan("plugins", "--json", "--no-plugins")
    assert "stranger" not in alone.out + alone.err


def test_a_hook_that_raises_is_called_once(install: Install, vidgan: Command) -> None:
    broken(install, "hook")
    result = vidgan("run", *TINY, "--steps", 3, "--out", "out")
    assert result.err.count("no more paper") == 1


def test_the_reason_is_a_line_and_the_traceback_is_there_on_request(
    install: Install, vidgan: Command
) -> None:
    broken(install, "importerror")
    record = json.loads(vidgan("plugins", "--json").out)[-1]
    assert record["reason"] == "ModuleNotFoundError: No module named 'a_module_that_is_not_there'"
    assert record["reason"] in vidgan("plugins").out
    assert "Traceback" in vidgan("plugins", "-v").err


def test_a_missing_name_is_answered_with_the_plugin_that_may_have_had_it(install: Install) -> None:
    broken(install, "exits")
    with pytest.raises(UsageError, match=r"no loss named 'nothing'.*stranger-exits 1\.2"):
        Registry.discover().get("loss", "nothing")


def test_metadata_that_cant_be_read_hurts_nobody(install: Install, tmp_path: Path) -> None:
    install("fine", GOOD)
    for name in ("stranger_odd-1.dist-info", "stranger_empty-1.dist-info"):
        (tmp_path / "site" / name).mkdir()
    (tmp_path / "site/stranger_odd-1.dist-info/entry_points.txt").write_text("[vidgan]\n===\n[[")
    assert "fine" in Registry.discover().names("loss")


def test_a_manifest_that_two_announce_is_the_first_ones(install: Install, tmp_path: Path) -> None:
    install("one", GOOD)
    install("two", GOOD)
    points = tmp_path / "site/stranger_two-1.2.dist-info/entry_points.txt"
    points.write_text("[vidgan]\nmine = stranger_one\ntaken = vidgan_losses\n")
    registry = Registry.discover()
    assert "one" in registry.names("loss")
    assert registry.get("loss", "hinge").provider.distribution == "vidgan"
    assert [f.provider.distribution for f in registry.failures] == ["stranger-two"] * 2


@pytest.fixture
def everything_broken(install: Install, tmp_path: Path) -> Callable[..., Result]:
    """Install all of them at once; run commands as processes, with sys.path in either order."""
    for how in AT_DISCOVERY | WHEN_USED:
        broken(install, how)
    other = tmp_path / "other"
    other.mkdir()
    for path in list((tmp_path / "site").iterdir())[::2]:
        path.rename(other / path.name)

    def run(*arguments: str, reverse: bool = False) -> Result:
        folders = [str(tmp_path / "site"), str(other)]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(folders[:: -1 if reverse else 1])}
        done = subprocess.run(
            [sys.executable, "-m", "vidgan_core", *arguments],
            capture_output=True,
            text=True,
            env=environment,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    return run


def test_all_at_once_in_any_order(everything_broken: Callable[..., Result]) -> None:
    first, second = (everything_broken("plugins", "-v", reverse=r) for r in (False, True))
    assert first.code == 0
    assert first.out == second.out
    assert all(names_it(first, how) for how in AT_DISCOVERY)


def test_a_built_in_component_is_checked_all_the_same(
    everything_broken: Callable[..., Result],
) -> None:
    result = everything_broken("plugins", "check", "hinge")
    assert result.code == 0, result.out
    assert all(names_it(result, how) for how in AT_DISCOVERY)
    assert everything_broken("plugins", "check", "stranger-exits").code == 3
    used = everything_broken("plugins", "check", "absent", "stranger-hook")
    assert used.code == 4
    assert "stranger-absent 1.2" in used.out
    assert "no more paper" in used.out


def test_doctor_names_every_one_that_it_can_see(everything_broken: Callable[..., Result]) -> None:
    result = everything_broken("doctor")
    assert result.code == 4
    assert [line.split()[0] for line in result.out.splitlines() if " failed " in line] == [
        "plugins"
    ]
    assert all(names_it(result, how) for how in AT_DISCOVERY | WHEN_USED if how != "hook")


def test_no_plugins_imports_no_third_party_module(everything_broken: Callable[..., Result]) -> None:
    result = everything_broken("run", *TINY, "--steps", "1", "--no-plugins", "--out", "out")
    assert result.code == 0, result.err
    assert "stranger" not in result.err
    assert "hello" not in result.err
