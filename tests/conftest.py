"""What tests share: a registry, small configurations, and the command line in this process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from fresh import make_environment
from torch import Tensor, nn
from vidgan_games.two_player import TwoPlayerGame

from vidgan_core.cli import main
from vidgan_core.config.resolve import resolve
from vidgan_core.config.schema import RunConfig
from vidgan_core.config.sources import ConfigSources
from vidgan_core.device import fast_bf16
from vidgan_core.interfaces import AdaptiveAugment, DataSpec, WeightedTerm
from vidgan_core.plugins.kinds import Kind
from vidgan_core.plugins.options import options_model
from vidgan_core.plugins.registry import Provided, Registry
from vidgan_core.runs import checkpoint
from vidgan_core.testing.generator import given_clip
from vidgan_core.training.parts import build_game

# Below nohup SIGHUP is ignored, in the background of a script SIGINT and SIGQUIT are, in the
# processes that tests start as well: they are to end by them.
for ignored in ("SIGHUP", "SIGQUIT"):
    if hasattr(signal, ignored):
        signal.signal(getattr(signal, ignored), signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)

# Small enough that a step takes milliseconds; every architecture can do this shape.
SMALL = DataSpec(frames=8, height=32, width=32)
REGISTRY = Registry.discover()

needs_bf16 = pytest.mark.skipif(
    not fast_bf16(torch.device("cpu")), reason="this processor has no bf16 instructions"
)
BF16_TOO = ["fp32", pytest.param("bf16", marks=needs_bf16)]  # precisions to test


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """A process a core for all tests; none besides this one for those that are named."""
    everything = config.args_source == pytest.Config.ArgsSource.TESTPATHS
    return len(os.sched_getaffinity(0)) if everything else 0


def pytest_configure() -> None:
    """In such a process, compute in one thread: the others have the other cores."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        os.environ["OMP_NUM_THREADS"] = "1"  # of the processes that tests start
        torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give all tests in the fresh environment to one process: it takes long to make."""
    for item in items:
        if "python" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("fresh environment"))


def components(kind: Kind) -> list[object]:
    """Every registered component of a kind, as pytest parameters with their names as ids."""
    return [pytest.param(p, id=p.component.name) for p in REGISTRY.all(kind)]


def small_options(provided: Provided) -> dict[str, int]:
    """Options that make a network small: a width of 8, where it has one."""
    component = provided.component
    target = REGISTRY.load(component.kind, component.name)
    return {"width": 8} if "width" in options_model(target).model_fields else {}


def with_clip(provided: Provided, spec: DataSpec) -> DataSpec:
    """A spec that a component can be built with: with a clip for a generator that follows one."""
    component = provided.component
    target = REGISTRY.load(component.kind, component.name)
    return given_clip(spec, 1) if getattr(target, "follows", False) else spec


def of_clip(generator: nn.Module, n: int) -> dict[str, Tensor]:
    """The clip, of noise, that `with_clip` promised to a generator; nothing for any other."""
    rng = torch.Generator().manual_seed(2)
    fields = generator.spec.condition if generator.follows else ()
    return {f.name: torch.rand(n, *f.shape, generator=rng) * 2 - 1 for f in fields}


@pytest.fixture(scope="session")
def registry() -> Registry:
    return REGISTRY


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the user's cache and key out of the tests."""
    names = ("VIDGAN_CACHE", "XDG_STATE_HOME")
    before = {name: os.environ.get(name) for name in names}
    os.environ |= {name: str(tmp_path_factory.mktemp("own")) for name in names}
    yield
    for name, value in before.items():
        os.environ.pop(name)
        if value is not None:
            os.environ[name] = value


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test in an empty folder, with a seed of its own."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)


def configured(*settings: str, **names: str) -> RunConfig:
    """Resolve a configuration: names such as `generator="mlp"`, settings as for --set."""
    layers = ConfigSources()
    for table, name in names.items():
        layers.add((table, "name"), name, "test")
    for setting in settings:
        layers.add_setting(setting)
    return resolve(layers, REGISTRY)


def small(generator: str, loss: str = "minimax", *settings: str, **names: str) -> RunConfig:
    """A configuration of a small run of any architecture."""
    usual = REGISTRY.get("generator", generator).component.usual
    discriminator = names.get("discriminator", usual["discriminator"]["name"])
    narrow = [
        f"{kind}.{option}={value}"
        for kind, name in (("generator", generator), ("discriminator", discriminator))
        for option, value in small_options(REGISTRY.get(kind, name)).items()
    ]
    shape = (
        "data.frames=4",
        "data.size=16",
        "data.batch=4",
        *(f"callback.{name}.enabled=false" for name in REGISTRY.defaults("callback")),
        "trainer.device=cpu",
        "trainer.precision=fp32",
        "loss.start=0",
        "loss.weight=1",
    )
    if REGISTRY.load("generator", generator).follows:
        task = usual["task"]["name"]
        hidden = ["sigma"] if task == "denoise" else []  # which few discriminators can read
        shape += (
            f"task.name={task}",
            "discriminator.concat=true",
            f"discriminator.hidden={hidden}",
        )
    return configured(*shape, *narrow, *settings, generator=generator, loss=loss, **names)


def two_player(
    spec: DataSpec = SMALL,
    *,
    terms: Sequence[WeightedTerm] = (),
    augments: Sequence[AdaptiveAugment] = (),
    loss: str = "minimax",
) -> TwoPlayerGame:
    """A game of conv3d networks with these terms and augmentations."""
    parts = build_game(small("conv3d", loss, "term={}"), REGISTRY, spec).parts
    return TwoPlayerGame(replace(parts, terms=tuple(terms), augments=tuple(augments)))


@dataclass
class Result:
    """What a command did."""

    code: int
    out: str
    err: str


Command = Callable[..., Result]


@pytest.fixture
def vidgan(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Run the command line in this process, error handling included."""

    def run(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["vidgan", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main()
        out, err = capfd.readouterr()
        return Result(int(exit_.value.code or 0), out, err)

    return run


def spawn(*arguments: object, **options: object) -> subprocess.Popen[str]:
    """Start the command line as a process of its own."""
    command = [sys.executable, "-m", "vidgan_core", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, **(pipes | options))  # type: ignore[call-overload,no-any-return]


def wait_for(condition: Callable[[], object], process: object = None) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "waited for two minutes"
        time.sleep(0.01)


def last_weights(run: Path | str) -> dict[str, torch.Tensor]:
    """Every tensor of a run's newest checkpoint: networks, EMA, optimizers."""
    saved = checkpoint.newest(Path(run) / "checkpoints")
    assert saved
    return {**saved.model, **saved.train}


def assert_same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


# A run of thousands of weights and milliseconds a step.
TINY = (
    *("--gen", "conv3d", "--batch", "2", "--device", "cpu", "--precision", "fp32"),
    *("--set", "generator.width=2", "--set", "discriminator.width=2"),
    *("--set", "data.frames=4", "--set", "data.size=16", "--set", "callback.pictures.count=2"),
)

# A stranger's plugin: its manifest, and the module that the record names.
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
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
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


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment with vidgan, made once."""
    return make_environment(tmp_path_factory.mktemp("fresh"))


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Networks this small spend most of their time on threads that wait for one another."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
