"""Single faults in every file of a checkpoint: all are found, and the one before is used."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from faults import moments

from vidgan_core.errors import CheckpointError
from vidgan_core.runs import checkpoint

FAULTS = ("bit flip", "truncation", "deletion")
NAMES = (*checkpoint.FILES, checkpoint.MANIFEST)


@pytest.mark.parametrize("count", [60, pytest.param(300, marks=pytest.mark.slow)])
def test_every_single_fault_is_detected_and_named(
    count: int, record_property: Callable[[str, object], None], caplog: pytest.LogCaptureFixture
) -> None:
    folder = a_run()
    good, victim = checkpoint.available(folder)
    spare = Path(shutil.copytree(victim, "spare"))
    observed: Counter[str] = Counter()
    for number, rng in enumerate(moments(count, seed=3)):
        fault, name = FAULTS[number % 3], NAMES[number % len(NAMES)]
        damage(victim / name, fault, rng)
        assert contents(victim) != contents(spare), "the fault has missed"
        with pytest.raises(CheckpointError, match=name) as error:
            checkpoint.load(victim)
        assert str(victim) in str(error.value)
        caplog.clear()
        found = checkpoint.newest(folder)
        assert found
        assert found.path == good
        assert f"using {good.name} instead" in caplog.text
        observed[fault] += 1
        shutil.rmtree(victim)
        shutil.copytree(spare, victim)
    assert checkpoint.load(victim)
    reported = ", ".join(f"{n} by {fault}" for fault, n in sorted(observed.items()))
    record_property("damage", f"{observed.total()} of {count} single faults detected: {reported}")


def a_run() -> Path:
    """Two checkpoints of a real run of a few thousand weights."""
    from conftest import REGISTRY, small

    from vidgan_core.runs.folder import RunDir
    from vidgan_core.training.run import Run

    config = small(
        "conv3d",
        *("minimax", "data.frames=4", "data.size=16", "generator.width=1"),
        *("discriminator.width=1", "generator.noise_size=4", "steps=2", "checkpoint.every=1"),
    )
    run = Run(config, REGISTRY)
    run.begin(RunDir.create(Path("run"), "run"))
    run.fit()
    return run.folder.checkpoints


def damage(path: Path, fault: str, rng: Random) -> None:
    data = bytearray(path.read_bytes())
    if fault == "deletion":
        path.unlink()
    elif fault == "truncation":
        path.write_bytes(data[: rng.randrange(len(data))])
    else:
        bit = rng.randrange(8 * len(data))
        data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}
