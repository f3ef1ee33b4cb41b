"""A generated plugin as a stranger would use it: wheel, fresh environment, tests, run, removal.

The environment sees the packages of the running one, torch among them, and has vidgan's own wheel
installed over it: what the wheel lacks is missed here.
"""

from __future__ import annotations

import filecmp
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import TINY, Result
from fresh import execute, install, pip

from vidgan_core.plugins.kinds import KINDS
from vidgan_core.plugins.scaffold import COMMAND, HOOKS, SUITES

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/vidgan-hello"
FLAGS = {"generator": "--gen", "discriminator": "--disc", "loss": "--loss", "term": "--term",
         "dataset": "--data", "augment": "--augment", "game": "--game",
         "optimizer": "--optimizer", "callback": "--callback", "task": "--task"}  # fmt: skip
# No usual generator takes the clip that the generated task adds: the discriminator does.
WITH_CLIP = ("--set", 'generator.hidden=["low"]', "--set", "discriminator.concat=true")
HELLO = ("generator", "discriminator", "loss", "hooks")  # what the example has
# One distribution holds every kind; each kind by itself is a slow test.
TIMED = {"generator": "training_step", "term": "step_with_term"}  # else the kind
TOGETHER = {"whole": tuple(SUITES)}
SINGLE = {f"only{kind}": (kind,) for kind in SUITES}


@pytest.fixture
def uninstall(python: Path) -> Iterator[Callable[[str], None]]:
    """Remove a distribution; after the test whatever it has left behind."""
    names: list[str] = [f"vidgan-{name}" for name in TOGETHER | SINGLE]

    def remove(name: str) -> None:
        pip(python, "uninstall", "-y", name)

    yield remove
    pip(python, "uninstall", "-y", *names)


def everything(python: Path) -> set[str]:
    """All files of the fresh environment but compiled ones."""
    return {
        str(path) for path in python.parent.parent.rglob("*") if "__pycache__" not in path.parts
    }


def records(python: Path, distribution: str) -> set[str]:
    """The kinds of what `vidgan plugins` lists of a distribution."""
    listed = json.loads(execute(python, "-m", "vidgan_core", "plugins", "--json"))
    return {r["kind"] for r in listed if r["distribution"] == distribution and r["status"] == "ok"}


@pytest.mark.parametrize(
    ("component", "kinds"),
    [
        *(pytest.param(*item, id=item[0]) for item in TOGETHER.items()),
        *(pytest.param(*item, id=item[0], marks=pytest.mark.slow) for item in SINGLE.items()),
    ],
)
def test_a_generated_plugin_lives_and_leaves_nothing(
    python: Path, uninstall: Callable[[str], None], tmp_path: Path, component: str,
    kinds: tuple[str, ...],
) -> None:  # fmt: skip
    name = f"vidgan-{component}"
    before = everything(python)
    chosen = [word for kind in kinds for word in ("--kind", kind)]
    execute(python, "-m", "vidgan_core", "plugins", "new", name, *chosen)
    install(python, Path(name), tmp_path)
    assert records(python, name) == set(kinds)

    tested = execute(python, "-m", "pytest", "-p", "no:cacheprovider", name)
    assert "passed" in tested
    checked = execute(python, "-m", "vidgan_core", "plugins", "check", name)
    assert "failed" not in checked
    assert f"passed  plugin manifest_is_light of vidgan_{component}" in checked

    use = [word for kind in kinds if kind in FLAGS for word in (FLAGS[kind], component)]
    tiny = TINY[2:] if "generator" in kinds else TINY
    more = WITH_CLIP if "task" in kinds else ()
    execute(python, "-m", "vidgan_core", "run", *tiny, *use, *more,
            "--set", "trainer.report_every=1", "--steps", 2, "--out", "out")  # fmt: skip
    assert name in json.loads(Path("out/environment.json").read_text())["plugins"]
    assert Path(f"out/{component}.csv").exists() == (HOOKS in kinds)
    assert Path(f"out/{component}-scalars.csv").exists() == ("callback" in kinds)
    if COMMAND in kinds:
        assert 0 <= float(execute(python, "-m", "vidgan_core", component, "out")) <= 2
    if {"metric", "features"} & set(kinds):  # which no run trains with: an evaluation uses them
        metric, features = (
            component if kind in kinds else other
            for kind, other in (("metric", "fd"), ("features", "motion"))
        )
        numbers = execute(python, "-m", "vidgan_core", "eval", "out", "-n", 4, "--json",
                          "--metrics", metric, "--features", features)  # fmt: skip
        assert f'"{metric}-{features}"' in numbers
    if components := set(kinds) & set(KINDS):
        timed = execute(python, "-m", "pytest", "--collect-only", "-p", "no:cacheprovider",
                        ROOT / "benchmarks/test_step.py",
                        ROOT / "benchmarks/test_components.py")  # fmt: skip
        for kind in components:
            assert f"test_{TIMED.get(kind, kind)}[{component}]" in timed

    uninstall(name)
    assert records(python, name) == set()
    assert everything(python) == before


def test_the_example_is_what_the_command_writes(vidgan: Callable[..., Result]) -> None:
    kinds = [word for kind in HELLO for word in ("--kind", kind)]
    result = vidgan("plugins", "new", "vidgan-hello", *kinds)
    assert (result.code, result.out) == (0, "vidgan-hello\n")
    files = {p.relative_to("vidgan-hello") for p in Path("vidgan-hello").rglob("*") if p.is_file()}
    there = {
        p.relative_to(EXAMPLE) for p in EXAMPLE.rglob("*.*") if p.suffix != ".pyc" and p.is_file()
    }
    assert files == there
    _, different, unread = filecmp.cmpfiles("vidgan-hello", EXAMPLE, map(str, files), shallow=False)
    assert (different, unread) == ([], [])


@pytest.mark.parametrize("kind", SUITES)
def test_what_is_generated_is_tidy(vidgan: Callable[..., Result], kind: str) -> None:
    vidgan("plugins", "new", "vidgan-a-b", "--kind", kind)
    for path in Path("vidgan-a-b").rglob("*.py"):
        source = path.read_text("utf-8")
        compile(source, str(path), "exec")
        assert all(len(line) <= 100 and line == line.rstrip() for line in source.splitlines())


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        (
            "vidgan-foo",
            "thing",
            "has no plugins of the kind 'thing'; known: augment, callback, comma",
        ),
        ("vidgan-foo", "los", "has no plugins of the kind 'los'; did you mean 'loss'?"),
        ("vidgan-minimax", "loss", "there is a loss named 'minimax' already, of vidgan "),
        ("vidgan-core", "loss", "there is a module named 'vidgan_core' already"),
        ("json", "loss", "there is a module named 'json' already"),
        ("class", "loss", "there is a module named 'class' already"),
        ("../foo", "loss", "must be lower-case words with hyphens, as in vidgan-foo (got ../foo)"),
        ("Foo", "loss", "must be lower-case words"),
        ("vidgan-eval", "command", "there is a command named 'eval' already"),
        ("vidgan-run", "command", "there is a command named 'run' already"),
        ("vidgan-", "loss", "must be lower-case words"),
        ("full", "loss", "full is there already"),
    ],
)
def test_names_and_kinds_that_wont_do(
    vidgan: Callable[..., Result], name: str, kind: str, message: str
) -> None:
    Path("full").mkdir()
    result = vidgan("plugins", "new", name, "--kind", kind)
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert [p.name for p in Path().iterdir()] == ["full"]
