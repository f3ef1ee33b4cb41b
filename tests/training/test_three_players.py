"""A game of three networks, of a third party's: a VAE-GAN (Larsen et al. 2016) with an encoder.

Nothing in the core names its players: it trains, resumes bit for bit, is averaged and sampled.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import Result, assert_same, last_weights

import vidgan_core
from vidgan_core.config.resolve import resolve
from vidgan_core.config.sources import ConfigSources
from vidgan_core.inference.sampler import Sampler
from vidgan_core.plugins.registry import Registry
from vidgan_core.testing import GameSuite
from vidgan_core.testing.suite import Subject
from vidgan_core.training.run import Run

pytestmark = pytest.mark.usefixtures("one_thread", "vae_gan")
Command = Callable[..., Result]

MANIFEST = """
from vidgan_core import Component, hookimpl

@hookimpl
def vidgan_components():
    usual = {
        "generator": {"name": "tiny"},
        "discriminator": {"name": "tiny"},
        "encoder": {"name": "tiny-encoder", "optimizer": {"name": "sgd", "lr": 0.01}},
        "data": {"name": "shapes", "frames": 4, "size": 16, "batch": 4},
    }
    code = "{module}_code"
    yield Component("game", "vae-gan", f"{code}:VAEGAN", "three networks", usual=usual)
    yield Component("generator", "tiny", f"{code}:Tiny", "one layer")
    yield Component("discriminator", "tiny", f"{code}:Critic", "one layer")
    yield Component("discriminator", "tiny-encoder", f"{code}:Encoder", "two layers")
"""
CODE = '''
from functools import partial
from typing import Annotated

import torch
from annotated_types import Ge, doc
from torch import nn

from vidgan_core.interfaces import Discriminator, Fake, Generator, Phase, StepContext, Verdict
from vidgan_core.tensors import to_like
from vidgan_core.training.adversarial import AdversarialGame

CODE = 8


class Tiny(Generator):
    def __init__(self, spec):
        super().__init__(spec)
        self.layers = nn.Sequential(nn.Linear(CODE, 16), nn.BatchNorm1d(16), nn.ReLU(),
                                    nn.Linear(16, spec.channels * spec.frames))

    def noise(self, n, rng, *, frames=None):
        self.fixed_frames(frames)
        return {"z": torch.randn(n, CODE, generator=rng)}

    def forward(self, noise, condition, *, frames=None):
        channels, length, height, width = self.spec.shape
        colours = self.layers(noise["z"]).tanh().unflatten(1, (channels, length))
        return Fake(colours[..., None, None].expand(-1, -1, -1, height, width))


class Critic(Discriminator):
    def __init__(self, spec):
        super().__init__(spec)
        self.layer = nn.Linear(spec.channels * spec.frames, 1)

    def forward(self, video, condition):
        return Verdict((self.layer(video.mean((3, 4)).flatten(1)),))


class Encoder(Discriminator):
    """A normal distribution of codes for each clip; no scores."""

    gives = frozenset({"mean", "log_variance"})

    def __init__(self, spec):
        super().__init__(spec)
        self.layer = nn.Linear(spec.channels * spec.frames, 2 * CODE)

    def forward(self, video, condition):
        mean, log_variance = self.layer(video.mean((3, 4)).flatten(1)).chunk(2, dim=1)
        return Verdict((), extras={"mean": mean, "log_variance": log_variance})


class VAEGAN(AdversarialGame):
    """Discriminator, encoder, and the generator twice."""

    players = {"generator": "generator", "discriminator": "discriminator",
               "encoder": "discriminator"}
    averaged = ("generator", "encoder")
    sampled = "generator"
    progress = {"KL": "encoder/divergence"}

    def __init__(
        self, parts, *, beta: Annotated[float, Ge(0), doc("weight of the divergence")] = 0.1
    ):
        super().__init__(parts)
        self.g, self.d = self.generator("generator"), self.critic("discriminator")
        self.e = self.critic("encoder")
        self.beta = beta
        self.check_terms()

    def phases(self):
        def phase(player, objective, **how):
            network = self.parts.networks[player]
            return Phase(player, network, objective, partial(self.after_update, player), **how)

        generator = phase("generator", self.generate_phase, new_batch=False)
        return [
            phase("discriminator", self.judge_phase, active=self.adversarial),
            phase("encoder", self.encode_phase, new_batch=False),
            generator,
            generator,
        ]

    def encoded(self, turn):
        real = turn.batch["video"]
        code = self.judge(self.e, real, {}).extras
        drawn = torch.randn(len(real) * turn.shards, CODE, generator=turn.rng("code"))
        z = code["mean"] + to_like(turn.own(drawn), real) * (code["log_variance"] / 2).exp()
        again = self.generate(self.g, {"z": z}, {}).video
        return code, (again - real).abs().mean()

    def context(self, turn, fake, noise, real=None):
        judging = self.adversarial(turn.step)
        verdict = self.judge(self.d, fake.video, {}) if judging else Verdict(())
        return StepContext(self.g, self.d, turn.batch, {}, noise, fake, real, verdict)

    def judge_phase(self, turn):
        noise = self.noise(self.g, turn)
        with torch.no_grad():
            fake = self.generate(self.g, noise, {})
        real = self.judge(self.d, turn.batch["video"], {})
        play = self.context(turn, fake, noise, real)
        loss = self.critic_loss(real, play.fake_verdict)
        return self.objective("discriminator", loss, play, turn.step)

    def encode_phase(self, turn):
        code, distance = self.encoded(turn)
        mean, log_variance = code["mean"], code["log_variance"]
        divergence = (mean**2 + log_variance.exp() - 1 - log_variance).mean() / 2
        loss = distance + self.beta * divergence
        return {"loss": loss, "divergence": divergence}

    def generate_phase(self, turn):
        with torch.no_grad():
            code = self.judge(self.e, turn.batch["video"], {}).extras["mean"]
        distance = (self.generate(self.g, {"z": code}, {}).video - turn.batch["video"]).abs().mean()
        noise = self.noise(self.g, turn)
        play = self.context(turn, self.generate(self.g, noise, {}), noise)
        loss = self.generator_loss(None, play.fake_verdict) if play.fake_verdict.scores else None
        if loss is None and not self.due("generator", turn.step):
            return {"loss": distance}
        scalars = self.objective("generator", loss, play, turn.step)
        return scalars | {"loss": scalars["loss"] + distance, "distance": distance}
'''
RUN = ("run", "--game", "vae-gan", "--device", "cpu", "--precision", "fp32")
QUIET = ("--set", "trainer.report_every=1", "--set", "checkpoint.every=2", "--set",
         "callback.pictures.count=2")  # fmt: skip


@pytest.fixture
def vae_gan(install: Callable[..., None]) -> None:
    install("vae", MANIFEST, CODE)


def test_it_trains_and_is_sampled(vidgan: Command) -> None:
    result = vidgan(*RUN, *QUIET, "--steps", 3, "--out", "out")
    assert result.code == 0, result.err
    assert "encoder tiny-encoder" in result.err
    assert "KL " in result.err
    lines = [json.loads(line) for line in Path("out/metrics.jsonl").read_text().splitlines()]
    losses = {"generator/loss", "discriminator/loss", "encoder/loss", "encoder/divergence"}
    assert all(losses <= set(line) for line in lines)
    written = tomllib.loads(Path("out/config.toml").read_text())
    assert written["encoder"]["optimizer"] == {"name": "sgd", "lr": 0.01}
    assert {p.suffix for p in Path("out/samples").iterdir()} == {".mp4", ".gif", ".png"}

    assert vidgan("sample", "out", "-n", 4, "-o", "clips.mp4").code == 0
    assert Path("clips.mp4").exists()
    described = json.loads(vidgan("inspect", "out", "--json").out)
    assert (described["encoder"], described["game"]) == ("tiny-encoder", "vae-gan")
    saved = json.loads(vidgan("inspect", "out/checkpoints/step-00000003", "--json").out)
    assert saved["encoder"] == "tiny-encoder"
    names = set(last_weights("out"))
    assert {"encoder.layer.weight", "optimizer.generator.0.exp_avg"} <= names
    assert not any(name.startswith("optimizer.encoder.") for name in names)  # SGD has no moments
    # A run of its own written configuration is the same run.
    assert vidgan("run", "-c", "out/config.toml", "--out", "again").code == 0
    assert_same(last_weights("out"), last_weights("again"))


def test_what_is_averaged_can_be_loaded_and_the_sampled_one_makes_clips(vidgan: Command) -> None:
    vidgan(*RUN, "--steps", 1, "--out", "out", "--set", "callback.pictures.enabled=false")
    clips = vidgan_core.load("out").sample(2)
    assert clips.shape == (2, 3, 4, 16, 16)
    assert torch.equal(Sampler.load("out", player="generator").sample(2), clips)
    for player, problem in (("encoder", "makes no clips"), ("discriminator", "holds no")):
        with pytest.raises(vidgan_core.errors.CheckpointError, match=problem):
            Sampler.load("out", player=player)


@pytest.mark.parametrize("settings", [[], ["trainer.accumulate=2"]], ids=["whole", "in parts"])
def test_it_resumes_bit_for_bit(vidgan: Command, settings: list[str]) -> None:
    more = [word for setting in settings for word in ("--set", setting)]
    assert vidgan(*RUN, *QUIET, *more, "--steps", 4, "--out", "whole").code == 0
    assert vidgan(*RUN, *QUIET, *more, "--steps", 2, "--out", "parts").code == 0
    result = vidgan("run", "--resume", "parts", "--steps", 4)
    assert result.code == 0, result.err
    assert_same(last_weights("whole"), last_weights("parts"))


def test_a_step_updates_each_player_as_often_as_it_has_phases() -> None:
    registry = Registry.discover()
    sources = ConfigSources()
    for setting in ("game.name=vae-gan", "trainer.device=cpu", "callback.pictures.enabled=false"):
        sources.add_setting(setting)
    run = Run(resolve(sources, registry), registry)
    optimizers = run.trainer.optimizers
    kinds = {player: type(each).__name__ for player, each in optimizers.items()}
    assert kinds == {"generator": "Adam", "discriminator": "Adam", "encoder": "SGD"} or (
        kinds["encoder"] == "SGD" and "Adam" in kinds["generator"]
    )
    assert set(run.averages) == {"generator", "encoder"}
    run.trainer.step()
    counts = {p: {float(s["step"]) for s in o.state.values()} for p, o in optimizers.items()}
    assert counts == {"generator": {2.0}, "discriminator": {1.0}, "encoder": set()}
    run.batches.close()


def test_a_dry_run_writes_every_players_table(vidgan: Command) -> None:
    result = vidgan(*RUN, "--dry-run", "--set", "encoder.optimizer.momentum=0.5")
    assert result.code == 0, result.err
    tables = tomllib.loads(result.out)
    assert tables["encoder"]["name"] == "tiny-encoder"
    assert tables["encoder"]["optimizer"] == {"name": "sgd", "lr": 0.01, "momentum": 0.5}
    assert list(Path().iterdir()) == [Path("site")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*RUN, "--set", "encodr.name=tiny"), "encodr: no such option; did you mean 'encoder'?"),
        (("run", "--set", "encoder.name=tiny-encoder"), "encoder: no such option"),
        ((*RUN, "--set", "encoder.optimizer.nme=sgd"), "encoder.optimizer.nme: no such option"),
        ((*RUN, "--set", "encoder.optimizer.betas=[0,0.9]"), "encoder.optimizer.betas: no such"),
        ((*RUN, "--set", "encoder.optimizer.name=sgdd"), "no optimizer named 'sgdd'; did you mean"),
        ((*RUN, "--set", "encoder.name=tiny-encodr"), "did you mean 'tiny-encoder'?"),
        ((*RUN, "--set", "game.beta=-1"), "game.beta: must be greater than or equal to 0"),
        ((*RUN, "--set", "encoder=3"), "encoder: "),
    ],
)
def test_tables_of_no_player_are_refused_with_a_line(
    vidgan: Command, arguments: tuple[str, ...], message: str
) -> None:
    result = vidgan(*arguments, "--dry-run")
    assert result.code == 2
    assert message in result.err
    assert len(result.err.splitlines()) == 1


def test_it_passes_the_suite_of_games(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Registry.discover()
    monkeypatch.setattr("vidgan_core.testing.small_run.registry", lambda: found)
    provided = found.get("game", "vae-gan")
    subject = Subject(provided.component, lambda: found.load("game", "vae-gan"))
    suite = GameSuite()
    for check in ("players", "phases", "step", "scalars", "same_run", "resume", "accumulate"):
        getattr(suite, f"test_{check}")(subject)
    suite.test_loss_start(subject)
    suite.test_terms(subject)
