"""A run's folder with one thing wrong in it, and every command that reads one.

Files are garbled as bad luck does it (the bytes) and as ill will does it (the values, under a seal
that fits). Whatever it is: the command works or says a line, soon and in bounded memory.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import pytest
from conftest import REGISTRY, Result, small
from forge import seal
from limits import limited

from vidgan_core.runs.checkpoint import FILES, STATE
from vidgan_core.runs.folder import RunDir
from vidgan_core.training.run import Run

Command = Callable[..., Result]
SMALL = (
    *("generator.width=1", "discriminator.width=1", "generator.noise_size=4", "data.name=shapes"),
    *("checkpoint.every=1", "trainer.report_every=1", "callback.metrics-log.enabled=true"),
)
STEP = "checkpoints/step-00000002"
COMMANDS: dict[str, tuple[object, ...]] = {
    "inspect": ("inspect", "run"),
    "inspect a checkpoint": ("inspect", f"run/{STEP}"),
    "sample": ("sample", "run", "-n", 1, "--out", "clip.mp4"),
    "compare": ("compare", "run"),
    "eval": ("eval", "run", "-n", 2, "--metrics", "none"),
    "resume": ("run", "--resume", "run", "--steps", 3),
    "init": ("run", "--init", "run", "--steps", 1, "--out", "other"),
}
SCRAPS = (bytes(50), b"\xff\xfe", b"[[[[", b"}", b"\x1b[2J", b"\r\n", b"1e999", b"null", b"-1")
VALUES = (
    *(None, True, -1, 0, 1, 2**31, 2**63, 10**30, 1e308, "", "x", "\x1b[2J", "../../x"),
    *("/dev/zero", [], {}, [[]], {"a": {}}, "x" * 70_000, [1] * 5000, "F16", "I64", [0, 4]),
)


def truncated(path: Path, rng: Random) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: rng.randrange(len(data))])


def flipped(path: Path, rng: Random) -> None:
    data = bytearray(path.read_bytes())
    for _ in range(rng.randrange(1, 6)):
        data[rng.randrange(min(len(data), rng.choice((50, 500, 10**9))))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


def overwritten(path: Path, rng: Random) -> None:
    data = path.read_bytes()
    at = rng.randrange(len(data))
    path.write_bytes(data[:at] + rng.choice(SCRAPS) + data[at + rng.randrange(40) :])


def deep(path: Path, rng: Random) -> None:
    path.write_bytes(rng.choice((b"[" * 200_000, b'{"a":' * 200_000, b"a=" + b"[" * 200_000)))


def endless(path: Path, rng: Random) -> None:
    with path.open("ab") as file:
        file.truncate(1 << rng.choice((34, 38)))


def replaced(path: Path, rng: Random) -> None:
    path.unlink()
    match rng.randrange(5):
        case 0:
            os.mkfifo(path)
        case 1:
            path.mkdir()
        case 2:
            path.symlink_to(path.name)
        case 3:
            path.symlink_to(rng.choice(("/dev/zero", "/dev/full", "/proc/self/mem")))


def folder_replaced(path: Path, rng: Random) -> None:
    shutil.rmtree(path.parent)
    if rng.random() < 0.5:
        path.parent.write_bytes(b"")


def forged(path: Path, rng: Random) -> None:
    """Change values of a checkpoint's JSON, and seal it as if nothing had been done."""
    folder = path.parents[len(path.relative_to("run").parts) - 1] / STEP
    name = rng.choice(FILES)
    data = (folder / name).read_bytes()
    start, size = (0, len(data)) if name == STATE else (8, int.from_bytes(data[:8], "little"))
    facts = json.loads(data[start : start + size])
    for _ in range(rng.randrange(1, 3)):
        change(facts, rng)
    text = json.dumps(facts).encode()
    length = len(text).to_bytes(8, "little") if start else b""
    (folder / name).write_bytes(length + text + data[start + size :])
    seal(folder, FILES)


def change(facts: Any, rng: Random) -> None:
    """Drop, rename or replace a value somewhere inside."""
    holder, key = rng.choice([*places(facts)])
    match rng.randrange(4):
        case 0 if isinstance(holder, dict):
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[rng.choice(("x", "name", "generator", "\x1b"))] = holder.pop(key)
        case _:
            holder[key] = deepcopy(rng.choice(VALUES))


def places(facts: Any) -> Iterator[tuple[Any, Any]]:
    keys = list(facts) if isinstance(facts, dict) else range(min(6, len(facts)))
    for key in keys:
        yield facts, key
        if isinstance(facts[key], dict | list):
            yield from places(facts[key])


FAULTS = (truncated, flipped, overwritten, deep, endless, replaced, folder_replaced, *[forged] * 5)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of two steps."""
    run = Run(small("conv3d", "minimax", *SMALL, "steps=2"), REGISTRY)
    run.begin(RunDir.create(tmp_path_factory.mktemp("trained") / "run", "run"))
    run.fit()
    return run.folder.path


@pytest.mark.parametrize("count", [40, pytest.param(700, marks=pytest.mark.slow)])
def test_a_garbled_folder_is_read_or_refused(
    count: int, trained: Path, vidgan: Command, record_property: Callable[[str, object], None]
) -> None:
    files = sorted(path.relative_to(trained) for path in trained.rglob("*") if path.is_file())
    ends: Counter[str] = Counter()
    for number in range(count):
        rng = Random(f"{count}/{number}")
        folder = Path(f"{number}")
        folder.mkdir()
        os.chdir(folder)
        shutil.copytree(trained, "run")
        fault, file, name = FAULTS[number % len(FAULTS)], rng.choice(files), rng.choice([*COMMANDS])
        fault(Path("run", file), rng)
        with limited():
            result = vidgan(*COMMANDS[name])
        os.chdir("..")
        shutil.rmtree(folder)
        what = f"{number}: {fault.__name__} {file}: {name}: {result}"
        assert "Traceback" not in result.err, what
        assert "\x1b" not in result.out + result.err, what
        assert result.code in (0, 1, 2, 3, 4), what
        assert result.code == 0 or result.err.strip(), what
        ends["worked" if result.code == 0 else "refused in a line"] += 1
    reported = ", ".join(f"{n} {end}" for end, n in sorted(ends.items()))
    record_property(
        "a run's folder garbled, and read by 7 commands", f"{count} of {count}: {reported}"
    )
