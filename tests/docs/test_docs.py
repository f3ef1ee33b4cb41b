"""The documentation names everything that there is, and prints commands that work."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import click
import pytest
from conftest import REGISTRY

from vidgan_core.cli import COMMANDS, cli
from vidgan_core.config.schema import RunConfig
from vidgan_core.plugins.commands import commands
from vidgan_core.plugins.options import options_model
from vidgan_core.plugins.registry import Provided

ROOT = Path(__file__).parents[2]
OURS = [*COMMANDS, *(n for n, command in commands(COMMANDS).items() if command.ours)]
README = (ROOT / "README.md").read_text("utf-8")
COMPONENTS = (ROOT / "docs/components.md").read_text("utf-8")
COMMAND_PAGE = (ROOT / "docs/commands.md").read_text("utf-8")
CONFIG_PAGE = (ROOT / "docs/configuration.md").read_text("utf-8")


def rows(page: str, heading: str) -> dict[str, str]:
    """The rows of the table below a heading, by the code word that they begin with."""
    section = page.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return {m[1]: m[0] for m in re.finditer(r"^\| `([^`]+)`.*$", section, re.MULTILINE)}


HEADINGS = {"generator": "Generators", "discriminator": "Discriminators", "loss": "Losses",
            "term": "Terms", "dataset": "Data sets", "augment": "Augmentations",
            "features": "Features", "metric": "Metrics", "game": "Games", "task": "Tasks",
            "optimizer": "Optimizers", "callback": "Callbacks"}  # fmt: skip
IN_TREE = [p for p in REGISTRY.all() if p.provider.distribution == "vidgan"]


@pytest.mark.parametrize(
    "provided", [pytest.param(p, id=f"{p.component.kind}-{p.component.name}") for p in IN_TREE]
)
def test_every_component_has_a_row_with_its_options(provided: Provided) -> None:
    component = provided.component
    row = rows(COMPONENTS, HEADINGS[component.kind])[component.name]
    for option in options_model(REGISTRY.load(component.kind, component.name)).model_fields:
        assert f"`{option}`" in row, f"{option} is missing in: {row}"


@pytest.mark.parametrize("kind", HEADINGS)
def test_no_row_tells_of_what_is_not_there(kind: str) -> None:
    names = {p.component.name for p in IN_TREE if p.component.kind == kind}
    assert set(rows(COMPONENTS, HEADINGS[kind])) == names


@pytest.mark.parametrize("name", OURS)
def test_every_command_has_a_section_with_its_options(name: str) -> None:
    section = COMMAND_PAGE.split(f"## vidgan {name}\n", 1)[1].split("\n## ", 1)[0]
    context = click.Context(cli)
    command = cli.get_command(context, name)
    assert command
    members = [command]
    if isinstance(command, click.Group):
        members += command.commands.values()
    for member in members:
        for parameter in filter(lambda p: isinstance(p, click.Option), member.params):
            assert any(f"`{o}" in section for o in parameter.opts), (
                f"{member.name} {parameter.opts}"
            )


def test_every_key_of_the_configuration_is_explained() -> None:
    example = tomllib.loads(re.findall(r"```toml\n(.*?)```", CONFIG_PAGE, re.DOTALL)[0])
    for name, field in RunConfig.model_fields.items():
        assert name in example, name
        table = field.annotation
        if isinstance(table, type) and hasattr(table, "model_fields"):
            assert set(table.model_fields) <= set(example[name]), name


def test_the_example_configuration_is_valid_and_says_the_defaults() -> None:
    from conftest import configured

    from vidgan_core.config.resolve import resolve
    from vidgan_core.config.sources import ConfigSources

    example = tomllib.loads(re.findall(r"```toml\n(.*?)```", CONFIG_PAGE, re.DOTALL)[0])
    layers = ConfigSources()
    layers.add_tables(example, "docs")
    assert resolve(layers, REGISTRY) == configured()


def test_ci_runs_the_command_that_the_readme_prints() -> None:
    commands = re.findall(r"^ {4}(python3 -m venv .*)$", README, re.MULTILINE)
    assert len(commands) == 2
    first, second = commands
    assert first.endswith(".venv/bin/vidgan run --gen conv3d --loss minimax")
    assert second in (ROOT / ".ci/run").read_text().splitlines()
    installs = [command.split(" && ")[1] for command in commands]
    assert all("-c constraints/cpu.txt -e" in install for install in installs)


@pytest.mark.parametrize(
    "page", sorted([ROOT / "README.md", *ROOT.glob("docs/*.md")]), ids=lambda p: p.name
)
def test_links_and_pictures_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text("utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_the_bundled_clips_are_attributed() -> None:
    text = COMPONENTS + README
    for clip in ("bigbuckbunny.mp4", "bikes.mp4", "carphone_pristine.mp4"):
        assert clip in text
    assert "Blender Foundation" in text


NETWORKS = [p for p in IN_TREE if p.component.kind in ("generator", "discriminator")]


@pytest.mark.parametrize(
    "provided", NETWORKS, ids=lambda p: f"{p.component.kind}-{p.component.name}"
)
def test_every_network_states_what_differs_from_its_paper(provided: Provided) -> None:
    """In the documentation of its module, and in one row of the list."""
    network = REGISTRY.load(provided.component.kind, provided.component.name)
    assert "Differs from the p" in (sys.modules[network.__module__].__doc__ or "")
    section = COMPONENTS.split("## Differences from the papers\n", 1)[1].split("\n## ", 1)[0]
    assert section.count(f"\n| `{provided.component.name}` |") == 1
