"""The checkpoint folder: round trips, damage, retention."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
import torch
from torch import nn

from vidgan_core.device import channels_last
from vidgan_core.errors import CheckpointError
from vidgan_core.runs import checkpoint
from vidgan_core.training.state import flatten, load_optimizer, unflatten

FOLDER = Path("checkpoints")


def save(step: int, value: float = 1.0) -> Path:
    return checkpoint.save(
        FOLDER,
        step,
        model={"w": torch.full((4, 3), value)},
        train={"w": torch.full((2,), value)},
        state={"step": step},
    )


def test_what_is_saved_is_what_is_loaded() -> None:
    path = save(5, 0.25)
    saved = checkpoint.load(path)
    assert saved.state == {"step": 5}
    assert torch.equal(saved.model["w"], torch.full((4, 3), 0.25))
    assert torch.equal(saved.train["w"], torch.full((2,), 0.25))
    assert saved.model_hash == checkpoint.model_hash(saved.model)


def test_the_same_weights_are_the_same_file() -> None:
    first = save(1).joinpath("model.safetensors").read_bytes()
    assert save(2).joinpath("model.safetensors").read_bytes() == first
    assert save(3, 2.0).joinpath("model.safetensors").read_bytes() != first


@pytest.mark.parametrize("damage", ["flip", "truncate", "delete", "grow"])
@pytest.mark.parametrize(
    "name", ["model.safetensors", "train.safetensors", "state.json", "MANIFEST.json"]
)
def test_every_damage_is_found_and_named_and_the_one_before_is_used(
    name: str, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    save(1, 1.0)
    victim = save(2, 2.0) / name
    data = bytearray(victim.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 4
    victim.write_bytes(
        bytes(data[:-1] if damage == "truncate" else data + b" " * (damage == "grow"))
    )
    if damage == "delete":
        victim.unlink()
    if (name, damage) == ("MANIFEST.json", "grow"):
        return  # a blank after JSON means nothing
    with pytest.raises(CheckpointError, match=name if damage != "flip" else "step-00000002"):
        checkpoint.load(victim.parent)
    newest = checkpoint.newest(FOLDER)
    assert newest
    assert newest.state["step"] == 1
    assert "using step-00000001 instead" in caplog.text


def test_all_damaged_is_an_error_and_none_at_all_is_not() -> None:
    assert checkpoint.newest(FOLDER) is None
    (save(1) / "model.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match="no healthy checkpoint"):
        checkpoint.newest(FOLDER)


def test_a_save_that_fails_leaves_the_earlier_ones_and_nothing_else() -> None:
    save(1)
    with pytest.raises(ValueError, match="not JSON compliant"):
        checkpoint.save(FOLDER, 2, model={}, train={}, state={"x": float("nan")})
    assert [p.name for p in FOLDER.iterdir()] == ["step-00000001"]
    (FOLDER / ".tmp-step-00000007-1").mkdir()  # what a killed save leaves
    save(3)
    assert sorted(p.name for p in FOLDER.iterdir()) == ["step-00000001", "step-00000003"]


def test_the_last_ones_are_kept() -> None:
    for step in (1, 2, 10, 100):
        save(step)
    checkpoint.prune(FOLDER, 2, newest=100)
    assert [p.name for p in checkpoint.available(FOLDER)] == ["step-00000010", "step-00000100"]


def test_permissions_follow_the_umask() -> None:
    before = os.umask(0o027)
    try:
        path = save(1)
    finally:
        os.umask(before)
    assert {stat.S_IMODE(f.stat().st_mode) for f in path.iterdir()} == {0o640}


def test_names_and_shapes_are_all_that_a_model_file_holds() -> None:
    data = (save(1) / "model.safetensors").read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert set(header) == {"w"}


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("algorithm", [torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD])
def test_an_optimizer_goes_on_bit_for_bit_in_any_memory_layout(
    algorithm: type[torch.optim.Optimizer], fused: bool
) -> None:
    def network() -> nn.Module:
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv3d(3, 8, 3), nn.Flatten(), nn.Linear(8, 1))
        channels_last(net)
        return net

    def optimizer(net: nn.Module) -> torch.optim.Optimizer:
        return algorithm(net.parameters(), lr=0.01, fused=fused)  # type: ignore[call-arg]

    def train(net: nn.Module, adam: torch.optim.Optimizer) -> None:
        net(torch.ones(2, 3, 3, 3, 3)).square().sum().backward()
        adam.step()
        adam.zero_grad()

    whole, parts = network(), network()
    first = optimizer(whole)
    for _ in range(2):
        train(whole, first)
    middle = {name: t.clone() for name, t in whole.state_dict().items()}
    tensors, plain = flatten(first.state_dict())
    written = {name: t.contiguous().clone() for name, t in tensors.items()}
    stored = json.loads(json.dumps(plain))
    parts.load_state_dict(middle)
    second = optimizer(parts)
    load_optimizer(second, unflatten(written, stored))
    for _ in range(2):
        train(whole, first)
        train(parts, second)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, parts.state_dict()[name]), name
