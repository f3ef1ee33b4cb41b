"""Class labels from the data to the samples, and variants through the space of noise."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import REGISTRY, SMALL, TINY, Result, components, small, small_options
from PIL import Image

import vidgan_core
from vidgan_core.interfaces import DataSpec, Field, Network
from vidgan_core.interfaces.networks import spherical
from vidgan_core.media.pictures import contact_sheet, to_frames
from vidgan_core.nn.conditioning import ClassEmbedding, Projection
from vidgan_core.plugins.registry import Provided
from vidgan_core.training.run import Run

pytestmark = pytest.mark.usefixtures("one_thread")

LABELLED = replace(SMALL, condition=(Field("class", classes=3),))
BY_CLASS = (
    *(*TINY, "--gen", "modern", "--set", "generator.width=8", "--set", "discriminator.width=8"),
    *("--data", "digits", "--set", "data.clips=20", "--set", 'condition=["class"]'),
)


def build(provided: Provided, spec: DataSpec) -> Network:
    target = REGISTRY.load(provided.component.kind, provided.component.name)
    torch.manual_seed(5)
    network: Network = target(spec, **small_options(provided))
    return network


@pytest.mark.parametrize("provided", components("generator") + components("discriminator"))
def test_without_a_condition_there_is_nothing_to_learn_of_classes(provided: Provided) -> None:
    target = REGISTRY.load(provided.component.kind, provided.component.name)
    if "class" not in target.takes:
        pytest.skip("takes no class labels")
    plain, labelled = (set(build(provided, s).state_dict()) for s in (SMALL, LABELLED))
    assert plain < labelled


def test_a_projection_by_hand() -> None:
    """Miyato & Koyama 2018, equation 4, on two frames of each of three clips."""
    projection = Projection(LABELLED, 4)
    assert projection.vectors is not None
    scores, phi = torch.randn(6, 1, 2, 2), torch.randn(6, 4, 5, 7)
    labels = torch.tensor([2, 0, 2])
    judged = projection(scores, phi, {"class": labels})
    for row in range(6):
        vector = projection.vectors.weight[labels[row // 2]]
        match = sum(vector[f] * phi[row, f].mean() for f in range(4))
        torch.testing.assert_close(judged[row], scores[row] + match)
    assert Projection(SMALL, 4)(scores, phi, {}) is scores


def test_an_embedding_stands_next_to_the_noise() -> None:
    embedding = ClassEmbedding(LABELLED, 5)
    noise, labels = torch.randn(2, 4), torch.tensor([1, 2])
    joined = embedding(noise, {"class": labels})
    assert torch.equal(joined[:, :4], noise)
    assert embedding.vectors is not None
    assert torch.equal(joined[:, 4:], embedding.vectors.weight[labels])


CONDITIONED = [
    n for n in REGISTRY.names("generator") if "class" in REGISTRY.load("generator", n).takes
]


@pytest.mark.parametrize("generator", CONDITIONED)
def test_a_step_by_class_moves_every_vector(generator: str) -> None:
    """The labels of the batch are the ones whose vectors learn, in both networks."""
    loss = (
        REGISTRY.get("generator", generator).component.usual.get("loss", {}).get("name", "minimax")
    )
    config = small(generator, loss, 'condition=["class"]', "data.clips=4", data="digits")
    run = Run(config, REGISTRY)
    labels = set(run.batches(0)["class"].tolist())
    networks = (run.networks["generator"], run.networks["discriminator"])
    tables = [t for n in networks for t in n.modules() if isinstance(t, torch.nn.Embedding)]
    before = [table.weight.detach().clone() for table in tables]
    assert run.trainer.step() is not None
    for table, old in zip(tables, before, strict=True):
        moved = (table.weight != old).any(dim=1)
        assert labels <= set(moved.nonzero().flatten().tolist())
    run.batches.close()


def test_training_and_sampling_by_class(vidgan: Callable[..., Result]) -> None:
    assert vidgan("run", *BY_CLASS, "--steps", 2, "--out", "run").code == 0
    sampler = vidgan_core.load("run", device="cpu")
    asked = sampler.sample(5, seed=3, classes=[7, 2])
    generator = sampler.generator
    rows = [generator.noise(1, vidgan_core.rng.keyed(3, "sample", clip)) for clip in range(5)]
    noise = {name: torch.cat([row[name] for row in rows]) for name in rows[0]}
    by_hand = generator(noise, {"class": torch.tensor([7, 2, 7, 2, 7])}).video
    torch.testing.assert_close(asked, by_hand)
    assert not torch.equal(asked, sampler.sample(5, seed=3, classes=[7]))
    in_order = to_frames(sampler.sample(2, classes=[0, 1]))
    in_order = contact_sheet(in_order, labels=["0", "1"])
    assert np.array_equal(np.asarray(Image.open("run/samples/step-000002.png")), in_order)

    assert vidgan("sample", "run", "--class", 7, "--class", 2, "-o", "a.png").code == 0
    refused = vidgan("sample", "run", "--class", 2, "--class", 10, "-o", "b.png")
    names = ", ".join("0123456789")
    assert refused.code == 2
    assert refused.err == f"error: there is no class 10; there are 10, from 0: {names}\n"
    assert not Path("b.png").exists()


def test_a_run_without_classes_has_none_to_ask_for(vidgan: Callable[..., Result]) -> None:
    assert vidgan("run", *TINY, "--data", "digits", "--steps", 1, "--out", "run").code == 0
    refused = vidgan("sample", "run", "--class", 0)
    assert refused.code == 2
    assert "there is no class 0; the generator was trained without any" in refused.err


def test_a_walk_leads_from_one_noise_to_another(vidgan: Callable[..., Result]) -> None:
    assert vidgan("run", *BY_CLASS, "--steps", 1, "--out", "run").code == 0
    sampler = vidgan_core.load("run", device="cpu")
    apart = sampler.sample(5, classes=[1])
    walk = sampler.sample(5, classes=[1], walk=True)
    torch.testing.assert_close(walk[[0, -1]], apart[[0, -1]])
    steps = (walk[1:] - walk[:-1]).flatten(1).norm(dim=1)
    assert steps.max() < (walk[-1] - walk[0]).norm()
    assert torch.equal(*sampler.sample(2, walk=True, hold=["z"]))
    refused = vidgan("sample", "run", "--rate", 2)
    assert refused.code == 2
    assert "another frame rate needs a generator that takes times" in refused.err
    for out in ("walk.mp4", "walk.png"):
        assert vidgan("sample", "run", "--walk", "-n", 3, "-o", out).code == 0


def test_the_way_is_an_arc() -> None:
    start, end = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    way = spherical(start, end, torch.tensor([0.0, 1 / 3, 1.0]))
    expected = [[2, 0], [2 * math.cos(math.pi / 6), 2 * math.sin(math.pi / 6)], [0, 2]]
    torch.testing.assert_close(way, torch.tensor(expected), atol=1e-6, rtol=0)
    same = spherical(start, 3 * start, torch.tensor([0.5]))
    torch.testing.assert_close(same, 2 * start)
