"""A game that is right, and others that break one property each."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated

import torch
from annotated_types import Ge

from vidgan_core.interfaces import Phase, PhaseBatch, Scalars, StepContext, Verdict
from vidgan_core.interfaces.game import GameParts
from vidgan_core.training.adversarial import AdversarialGame, accuracy, detached


class RightGame(AdversarialGame):
    players = {"generator": "generator", "discriminator": "discriminator"}  # noqa: RUF012
    averaged = ("generator",)
    sampled = "generator"
    accuracy_scalar = "discriminator/accuracy"

    def __init__(self, parts: GameParts) -> None:
        super().__init__(parts)
        self.g, self.d = self.generator("generator"), self.critic("discriminator")
        self.checked()

    def checked(self) -> None:
        self.check_terms()

    def phases(self) -> Sequence[Phase]:
        return [
            Phase(
                "discriminator",
                self.parts.networks["discriminator"],
                self.train_discriminator,
                partial(self.after_update, "discriminator"),
                active=self.adversarial,
            ),
            Phase(
                "generator",
                self.g,
                self.train_generator,
                partial(self.after_update, "generator"),
                new_batch=False,
            ),
        ]

    def play(self, turn: PhaseBatch, *, training: bool) -> StepContext:
        noise = self.noise(self.g, turn)
        with torch.set_grad_enabled(training):
            fake = self.generate(self.g, noise, {})
        fake = fake if training else detached(fake)
        nothing, real = Verdict(()), turn.batch["video"]
        judging = self.adversarial(turn.step)
        return StepContext(
            generator=self.g,
            discriminator=self.d,
            batch=turn.batch,
            condition={},
            noise=noise,
            fake=fake,
            real_verdict=self.judge(self.d, real, {}) if judging else nothing,
            fake_verdict=self.judge(self.d, fake.video, {}) if judging else nothing,
        )

    def train_discriminator(self, turn: PhaseBatch) -> Scalars:
        play = self.play(turn, training=False)
        loss = self.critic_loss(play.real_verdict, play.fake_verdict)
        scalars = self.objective("discriminator", loss, play, turn.step)
        return scalars | {"accuracy": accuracy(play.real_verdict, play.fake_verdict)}

    def train_generator(self, turn: PhaseBatch) -> Scalars:
        play = self.play(turn, training=True)
        judging = self.adversarial(turn.step)
        loss = self.generator_loss(None, play.fake_verdict) if judging else None
        return self.objective("generator", loss, play, turn.step)


class Shouting(RightGame):
    players = {**RightGame.players, "CRITIC": "discriminator"}  # noqa: RUF012


class NoBatch(RightGame):
    def phases(self) -> Sequence[Phase]:
        return [replace(phase, new_batch=False) for phase in super().phases()]


class Meddling(RightGame):
    """The generator's phase changes the discriminator."""

    def train_generator(self, turn: PhaseBatch) -> Scalars:
        with torch.no_grad():
            for weight in self.d.parameters():
                weight.mul_(0.99)
        return super().train_generator(turn)


class Untrained(RightGame):
    """The generator's phase comes to nothing."""

    def phases(self) -> Sequence[Phase]:
        discriminator, generator = super().phases()
        return [discriminator, replace(generator, objective=self.nothing)]

    def nothing(self, turn: PhaseBatch) -> Scalars:
        scalars = self.train_generator(turn)
        usual = turn.shards > 1 or self.terms
        return scalars if usual else scalars | {"loss": 0 * scalars["loss"]}


class Unnamed(RightGame):
    progress = {"loss C": "critic/loss"}  # noqa: RUF012


class PerClip(RightGame):
    def train_discriminator(self, turn: PhaseBatch) -> Scalars:
        return super().train_discriminator(turn) | {"time": torch.zeros(1)}


class Random(RightGame):
    def train_generator(self, turn: PhaseBatch) -> Scalars:
        scalars = super().train_generator(turn)
        return scalars | {"loss": scalars["loss"] * (1 + random.random())}


class Counting(RightGame):
    """It counts steps itself, from where a run is resumed."""

    count = 0

    def train_generator(self, turn: PhaseBatch) -> Scalars:
        self.count += 1
        scalars = super().train_generator(turn)
        return scalars | {"loss": scalars["loss"] + self.count * self.pixels(turn)}

    def pixels(self, turn: PhaseBatch) -> torch.Tensor:
        return self.generate(self.g, self.noise(self.g, turn), {}).video.mean()


class WholeBatch(RightGame):
    """It draws noise for the whole batch, in whatever parts that comes."""

    def train_discriminator(self, turn: PhaseBatch) -> Scalars:
        if turn.shards > 1:
            turn = replace(turn, shards=1, batch={"video": turn.batch["video"].repeat(2, 1)})
        return super().train_discriminator(turn)


class Hasty(RightGame):
    """It knows nothing of the adversarial loss's start."""

    def adversarial(self, step: int) -> bool:
        return True


class Credulous(RightGame):
    def checked(self) -> None:
        pass


class Unexplained(RightGame):
    def __init__(self, parts: GameParts, *, d_steps: Annotated[int, Ge(1)] = 1) -> None:
        super().__init__(parts)


GAMES = {
    Shouting: "players",
    NoBatch: "phases",
    Meddling: "step",
    Untrained: "step",
    Unnamed: "scalars",
    PerClip: "scalars",
    Random: "same_run",
    Counting: "resume",
    WholeBatch: "accumulate",
    Hasty: "loss_start",
    Credulous: "terms",
    Unexplained: "options",
}
