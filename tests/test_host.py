"""A program that uses vidgan as a library stays as it was."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import TINY, Command

import vidgan_core
from vidgan_core.rng import kept_default, seed_default

# What the process is, before and after: everything that a library might change behind its back.
HOST = """
import ctypes, gc, json, locale, logging, os, signal, sys, threading, warnings
import torch

touched = []
class Watched(ctypes.CDLL):
    def __getattr__(self, name):
        if name == "mallopt":
            touched.append(name)
        return super().__getattr__(name)
ctypes.CDLL = Watched

def host():
    return {
        "malloc": len(touched),
        "signal handlers": {s.name: repr(signal.getsignal(s)) for s in signal.Signals},
        "signals held": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        "threads": [torch.get_num_threads(), torch.get_num_interop_threads()],
        "python threads": sorted(t.name for t in threading.enumerate()),
        "dtype": [str(torch.get_default_dtype()), str(torch.get_default_device())],
        "gradients": [torch.is_grad_enabled(), torch.is_inference_mode_enabled()],
        "determinism": [
            torch.are_deterministic_algorithms_enabled(), torch.get_float32_matmul_precision(),
            torch.backends.mkldnn.enabled, torch.backends.cudnn.enabled,
            torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic,
        ],
        "warnings": [repr(f) for f in warnings.filters],
        "showwarning": repr(warnings.showwarning),
        "logging": [logging.root.level, *map(repr, logging.root.handlers)],
        "streams": [id(sys.stdout), id(sys.stderr), id(sys.excepthook)],
        "environment": {**os.environ},
        "folder": os.getcwd(),
        "locale": locale.setlocale(locale.LC_ALL),
        "garbage": [gc.isenabled(), list(gc.get_threshold())],
        "recursion": sys.getrecursionlimit(),
    }

def compare(what):
    after = host()
    changed = {k: [before[k], after[k]] for k in before if before[k] != after[k]}
    if changed:
        print(json.dumps({what: changed}))

before = host()
"""

LIBRARY = """
import vidgan_core
drawn = torch.default_generator.get_state()
sampler = vidgan_core.load("run", device="cpu")
compare("load")
sampler.sample(3, seed=1)
compare("sample")
if not torch.equal(drawn, torch.default_generator.get_state()):
    print(json.dumps("torch's default generator has moved"))
"""

TRAINING = """
from pathlib import Path
from vidgan_core.config.resolve import resolve
from vidgan_core.config.sources import ConfigSources
from vidgan_core.plugins.registry import Registry
from vidgan_core.runs.folder import RunDir
from vidgan_core.training.run import Run
layers = ConfigSources()
for setting in {settings!r}:
    layers.add_setting(setting)
registry = Registry.discover()
config = resolve(layers, registry)
compare("resolve")
run = Run(config, registry)
compare("Run")
run.begin(RunDir.create(Path("trained"), "run"))
run.fit()
compare("fit")
"""
SETTINGS = (
    *("steps=3", "generator.name=conv3d", "generator.width=2", "discriminator.width=2"),
    *("data.frames=4", "data.size=16", "data.batch=2", "trainer.device=cpu"),
)


def changes(program: str) -> list[object]:
    """What is different after a program that uses the library, in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", HOST + program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("generator", ["conv3d", "continuous"])
def test_a_host_process_that_samples_stays_as_it_was(vidgan: Command, generator: str) -> None:
    """Also where torch imports its compiler to build the generator without memory."""
    assert vidgan("run", *TINY, "--gen", generator, "--steps", 1, "--out", "run").code == 0
    assert changes(LIBRARY) == []


def test_a_host_process_that_trains_stays_as_it_was() -> None:
    """But for torch's default generators, which every step seeds."""
    assert changes(TRAINING.format(settings=SETTINGS)) == []


def test_the_test_sees_what_changes() -> None:
    program = "ctypes.CDLL(None).mallopt; torch.set_num_threads(1 + torch.get_num_threads())\n"
    (found,) = changes(program + 'compare("all")')
    assert isinstance(found, dict)
    assert set(found["all"]) == {"malloc", "threads"}


def test_the_default_generator_goes_on_where_it_was(vidgan: Command) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    with kept_default():
        seed_default(1)
        torch.rand(5)
    assert torch.equal(torch.rand(3), expected)
    assert vidgan("run", *TINY, "--steps", 1, "--out", "run").code == 0
    torch.manual_seed(7)
    vidgan_core.load(Path("run"), device="cpu").sample(2)
    assert torch.equal(torch.rand(3), expected)
