"""Discovery and isolation, on distributions written by hand into a folder on sys.path."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import TINY, Result

from vidgan_core.errors import ComponentError, UsageError
from vidgan_core.plugins import Registry

Command = Callable[..., Result]

GOOD = """
from vidgan_core import Component, hookimpl

@hookimpl
def vidgan_components():
    yield Component("loss", "{name}", "{module}_code:Loss", "a loss of a stranger's")
"""
CODE = """
from vidgan_core.interfaces import Loss as Base

class Loss(Base):
    def discriminator(self, real, fake):
        return fake.mean() - real.mean()

    def generator(self, real, fake):
        return -fake.mean()
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Install a distribution `stranger-NAME` whose manifest is the given source."""
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    before = set(sys.modules)

    def write(name: str, manifest: str, code: str = CODE) -> None:
        site = tmp_path / "site"
        info = site / f"stranger_{name}-1.2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: stranger-{name}\nVersion: 1.2\n"
        )
        (info / "entry_points.txt").write_text(f"[vidgan]\nanything = stranger_{name}\n")
        source = manifest.replace("{name}", name).replace("{module}", f"stranger_{name}")
        (site / f"stranger_{name}.py").write_text(source)
        (site / f"stranger_{name}_code.py").write_text(code)

    yield write
    for name in set(sys.modules) - before:
        if name.startswith("stranger_"):
            del sys.modules[name]


BROKEN = {
    "importerror": "import a_module_that_is_not_there",
    "syntaxerror": "def f(:",
    "exits": "import sys; sys.exit(3)",
    "wrongrecord": GOOD.split("@hookimpl", maxsplit=1)[0]
    + "@hookimpl\ndef vidgan_components():\n    yield 3\n",
    "wrongkind": GOOD.replace('"loss"', '"lose"'),
    "misspelt": GOOD.replace("def vidgan_components", "def vidgan_component"),
    "raises": GOOD.split("@hookimpl", maxsplit=1)[0]
    + "@hookimpl\ndef vidgan_components():\n    raise KeyError('x')\n",
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_plugin_is_named_and_hurts_nobody(
    install: Callable[..., None], vidgan: Command, how: str
) -> None:
    install(how, BROKEN[how])
    install("fine", GOOD)
    registry = Registry.discover()
    assert [f.provider.distribution for f in registry.failures] == [f"stranger-{how}"]
    assert "fine" in registry.names("loss")
    assert "conv3d" in registry.names("generator")
    for arguments in (("plugins",), ("plugins", "info", "conv3d"), ("run", *TINY, "--dry-run")):
        result = vidgan(*arguments)
        assert result.code == 0
        assert f"stranger-{how} 1.2" in result.err
        assert "Traceback" not in result.err
    records = json.loads(vidgan("plugins", "--json").out)
    failed = [r for r in records if r["status"] != "ok"]
    assert [(r["distribution"], r["status"]) for r in failed] == [(f"stranger-{how}", "failed")]
    with pytest.raises(UsageError, match=f"no loss named 'nothing'.*stranger-{how} 1.2"):
        registry.get("loss", "nothing")
    assert f"stranger-{how}" not in vidgan("--help").err


def test_a_strangers_loss_trains(install: Callable[..., None], vidgan: Command) -> None:
    install("fine", GOOD)
    result = vidgan("run", *TINY, "--loss", "fine", "--steps", 1, "--out", "out")
    assert result.code == 0, result.err
    environment = json.loads(Path("out/environment.json").read_text())
    assert environment["plugins"]["stranger-fine"] == "1.2"
    assert vidgan("run", *TINY, "--loss", "fine", "--no-plugins").code == 2


def test_a_target_that_cant_be_loaded_has_an_exit_code_of_its_own(
    install: Callable[..., None], vidgan: Command
) -> None:
    install("late", GOOD, code="import a_module_that_is_not_there")
    install("absent", GOOD, code="")
    install("other", GOOD, code="class Loss: pass")
    install("options", GOOD, code=CODE + "    def __init__(self, *, gamma): ...\n")
    for name, reason in (
        ("late", "ModuleNotFoundError"),
        ("absent", "AttributeError"),
        ("other", "is not a loss"),
        ("options", "needs an annotation"),
    ):
        result = vidgan("run", *TINY, "--loss", name)
        assert result.code == 3, result.err
        assert reason in result.err
        assert "Traceback" not in result.err
    assert vidgan("run", *TINY, "--steps", 1).code == 0


def test_a_name_that_two_provide_is_an_error_for_that_name_alone(
    install: Callable[..., None], vidgan: Command
) -> None:
    install("one", GOOD.replace("{name}", "same"))
    install("two", GOOD.replace("{name}", "same"))
    install("three", GOOD.replace("{name}", "minimax"))
    registry = Registry.discover()
    with pytest.raises(
        ComponentError, match=r"'same' is provided twice.*stranger-one.*stranger-two"
    ):
        registry.get("loss", "same")
    with pytest.raises(ComponentError, match=r"by vidgan 0\..* and stranger-three 1\.2"):
        registry.get("loss", "minimax")
    assert registry.get("loss", "hinge")
    records = json.loads(vidgan("plugins", "--json").out)
    assert sum(r["status"] == "clash" for r in records) == 4


def test_vidgan_plugins_narrows_the_third_party_ones(
    install: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    install("one", GOOD)
    install("two", GOOD)

    def found(value: str | None, **options: bool) -> set[str]:
        if value is None:
            monkeypatch.delenv("VIDGAN_PLUGINS", raising=False)
        else:
            monkeypatch.setenv("VIDGAN_PLUGINS", value)
        return {"one", "two", "minimax"} & set(Registry.discover(**options).names("loss"))

    assert found(None) == {"one", "two", "minimax"}
    assert found("stranger-two") == {"two", "minimax"}
    assert found("") == {"minimax"}
    assert found(None, third_party=False) == {"minimax"}


def test_a_hook_that_raises_is_dropped_and_the_run_goes_on(
    install: Callable[..., None], vidgan: Command
) -> None:
    hook = (
        "\n@hookimpl\ndef vidgan_step_end(run, scalars):\n    raise RuntimeError('no more paper')\n"
    )
    install("hooked", GOOD + hook)
    result = vidgan("run", *TINY, "--steps", 3, "--out", "out")
    assert result.code == 0
    assert result.err.count("stranger-hooked 1.2") == 1
    assert "no more paper" in result.err


def test_a_plugin_that_prints_does_not_spoil_the_results(
    install: Callable[..., None], vidgan: Command
) -> None:
    install("chatty", "print('hello')\n" + GOOD)
    result = vidgan("plugins", "--json")
    assert json.loads(result.out)
    assert "hello" in result.err
