"""A conditional network for each kind of field: it trains, is sampled, measured and resumed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import toys
from conftest import Result, assert_same, last_weights

import vidgan_core
from vidgan_core.inference.conditions import draw_condition, fixed, held_out, only_labels

Command = Callable[..., Result]
FIELDS = ("class", "small", "past", "regions", "pose", "words", "sound", "time")
PICTURES = ("small", "past", "regions")
BASE = (
    *("run", "--gen", "toy", "--data", "fields", "--batch", 4, "--device", "cpu"),
    *("--precision", "fp32", "--set", "data.frames=4", "--set", "data.size=16"),
    *("--set", "callback.pictures.count=3", "--set", "checkpoint.every=1"),
)


@pytest.fixture(autouse=True)
def _toys(install: Callable[..., None], one_thread: None) -> None:
    install("toys", toys.MANIFEST, toys.CODE)


def on(*names: str) -> tuple[str, ...]:
    """Settings of a run that is conditioned on fields."""
    concat = any(name in PICTURES for name in names)
    settings = ("--set", f"condition={json.dumps(names)}")
    return (*settings, "--set", f"discriminator.concat={str(concat).lower()}")


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_is_trained_sampled_measured_and_resumed(vidgan: Command, name: str) -> None:
    arguments = (*BASE, *on(name), "--augment", "diffaugment")
    assert (done := vidgan(*arguments, "--steps", 3, "--out", "whole")).code == 0, done.err
    assert vidgan(*arguments, "--steps", 2, "--out", "parts").code == 0
    assert (done := vidgan("run", "--resume", "parts", "--steps", 3)).code == 0, done.err
    assert_same(last_weights("whole"), last_weights("parts"))
    pictures = [Path(run) / "samples/step-000003.png" for run in ("whole", "parts")]
    assert pictures[0].read_bytes() == pictures[1].read_bytes()

    sampler = vidgan_core.load("whole", device="cpu")
    given = sampler.sample(3, condition_from="fields")
    assert torch.equal(given[:2], sampler.sample(2, condition_from="fields"))
    drawn_from = () if name in ("class", "time") else ("--condition-from", "fields")
    assert vidgan("sample", "whole", "-n", 2, *drawn_from, "-o", "a.png").code == 0
    if drawn_from:
        refused = vidgan("sample", "whole", "-n", 2)
        assert refused.code == 2
        assert f"the condition {name!r}, a" in refused.err
        assert "--condition-from DATA takes it from real clips" in refused.err
        other = sampler.sample(3, condition_from="fields", split="train")
        assert not torch.equal(given, other)

    measured = vidgan("eval", "whole", "--metrics", "gap", "--features", "colours", "-n", 10)
    assert measured.code == 0, measured.err


def test_all_fields_at_once(vidgan: Command) -> None:
    assert (done := vidgan(*BASE, *on(*FIELDS), "--steps", 2, "--out", "run")).code == 0, done.err
    spec = vidgan_core.load("run", device="cpu").generator.spec
    assert [field.name for field in spec.condition] == list(FIELDS)


def test_a_field_may_be_for_the_generator_alone(vidgan: Command) -> None:
    arguments = (*BASE, "--set", 'condition=["small", "class"]', "--steps", 1, "--out", "run")
    refused = vidgan(*arguments)
    assert refused.code == 2
    assert "can't be conditioned on 'small', a clip; discriminator.concat=true" in refused.err
    hidden = ("--set", 'discriminator.hidden=["small"]')
    assert vidgan(*arguments, *hidden).code == 0
    tensors = last_weights("run")
    assert "discriminator.projection.vectors.weight" in tensors
    assert tensors["discriminator.features.0.weight"].shape[1] == 3


def test_a_field_may_be_for_the_discriminator_alone(vidgan: Command) -> None:
    alone = ("--set", 'generator.hidden=["small"]', "--set", "discriminator.concat=true")
    arguments = (*BASE, "--set", 'condition=["small"]', *alone, "--steps", 1, "--out", "run")
    assert (done := vidgan(*arguments)).code == 0, done.err
    assert vidgan_core.load("run", device="cpu").generator.spec.condition == ()


def test_data_with_other_fields_are_refused(vidgan: Command) -> None:
    assert vidgan(*BASE, *on("small"), "--steps", 1, "--out", "run").code == 0
    refused = vidgan("sample", "run", "--condition-from", "shapes")
    assert (refused.code, "gives no 'small'" in refused.err) == (2, True)


def test_held_out_rows_are_the_same_however_many(vidgan: Command) -> None:
    assert vidgan(*BASE, *on("pose"), "--steps", 1, "--out", "run").code == 0
    sampler = vidgan_core.load("run", device="cpu")
    spec = sampler.generator.spec
    rows = held_out(sampler.config, sampler.registry, spec, 50)["pose"]
    assert torch.equal(rows[:7], held_out(sampler.config, sampler.registry, spec, 7)["pose"])
    assert torch.equal(rows[:10], rows[40:])  # 40 clips, and then over again
    assert len({tuple(row.tolist()) for row in rows[:40]}) == 40
    assert not only_labels(spec)
    found = fixed(sampler.config, sampler.registry, spec, 4)
    assert found is not None
    assert torch.equal(found["pose"], rows[:4])


def test_a_clip_of_a_seed_is_the_same_whatever_others_are_made(vidgan: Command) -> None:
    assert vidgan(*BASE, *on("class"), "--steps", 1, "--out", "run").code == 0
    sampler = vidgan_core.load("run", device="cpu")
    eight = sampler.sample(8, seed=5)
    assert torch.equal(eight[:2], sampler.sample(2, seed=5))
    assert torch.equal(eight[:2], sampler.sample(11, seed=5)[:2])
    torch.testing.assert_close(eight[3:5], sampler.sample(2, seed=5, first=3))
    torch.testing.assert_close(eight, sampler.sample(8, seed=5, batch=3))
    labels = draw_condition(sampler.generator.spec, 30, 5)["class"]
    assert torch.equal(
        labels[10:], draw_condition(sampler.generator.spec, 20, 5, first=10)["class"]
    )
    assert set(labels.tolist()) == {0, 1, 2}
