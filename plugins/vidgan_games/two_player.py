"""Generator against discriminator (Goodfellow et al. 2014, algorithm 1)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated

import torch
from annotated_types import Ge, Le, doc

from vidgan_core.interfaces.game import GameParts, Phase, PhaseBatch, Scalars
from vidgan_core.interfaces.networks import Fake, Tensors, Verdict
from vidgan_core.interfaces.objectives import StepContext
from vidgan_core.tensors import requires_grad, trainable
from vidgan_core.training.adversarial import AdversarialGame, accuracy, detached, spread


class TwoPlayerGame(AdversarialGame):
    """A step is `d_steps` updates of the discriminator and one of the generator.

    Each update of the discriminator is on a fresh batch. With `reuse_fakes` the generator's phase
    judges the fakes of the discriminator's last update again instead of making new ones, which
    saves a forward pass of the generator. Their graph is kept until then; where that can't be they
    are made a second time, of the same noise.
    """

    players = {"generator": "generator", "discriminator": "discriminator"}  # noqa: RUF012
    averaged = ("generator",)
    sampled = "generator"
    progress = {  # noqa: RUF012
        "loss D": "discriminator/loss",
        "loss G": "generator/loss",
        "D(real)": "discriminator/real",
        "D(fake)": "discriminator/fake",
    }
    accuracy_scalar = "discriminator/accuracy"
    spread_scalar = "generator/spread"

    def __init__(
        self,
        parts: GameParts,
        *,
        d_steps: Annotated[
            int, Ge(1), Le(1000), doc("updates of the discriminator for one of the generator")
        ] = 1,
        reuse_fakes: Annotated[
            bool, doc("train the generator on the fakes of the discriminator's last update")
        ] = True,
    ) -> None:
        super().__init__(parts)
        self.g, self.d = self.generator("generator"), self.critic("discriminator")
        self.d_steps = d_steps
        self.reuse_fakes = reuse_fakes
        self._thawed = trainable(self.g)
        self._kept: dict[int, tuple[Tensors, Fake | None]] = {}  # by the shard of the batch
        self.check_terms()

    def phases(self) -> Sequence[Phase]:
        """Return the discriminator's phases, then the generator's."""
        last = self.d_steps - 1
        critic = [
            Phase(
                "discriminator",
                self.parts.networks["discriminator"],
                partial(self._discriminator_phase, keep=self.reuse_fakes and number == last),
                partial(self.after_update, "discriminator"),
                active=self.adversarial,
            )
            for number in range(self.d_steps)
        ]
        generator = Phase(
            "generator",
            self.g,
            self._generator_phase,
            partial(self.after_update, "generator"),
            new_batch=False,
        )
        return [*critic, generator]

    def _discriminator_phase(self, turn: PhaseBatch, *, keep: bool) -> Scalars:
        # The trainer has frozen the generator. Fakes that its own phase is to reuse need its graph.
        graph = keep and self.parts.keep_graphs
        with requires_grad(self._thawed, graph), torch.set_grad_enabled(graph):
            noise = self.noise(self.g, turn)
            fake = self.generate(self.g, noise, self.condition(self.g, turn.batch))
        if keep:
            self._kept[turn.shard] = noise, fake if graph else None
        real_verdict = self.judge(self.d, turn.batch["video"], self.condition(self.d, turn.batch))
        context = self._context(turn, noise, detached(fake), real_verdict)
        loss = self.critic_loss(real_verdict, context.fake_verdict)
        return self.objective("discriminator", loss, context, turn.step) | {
            **self.adapt(real_verdict, context.fake_verdict),
            "real": self.output(real_verdict),
            "fake": self.output(context.fake_verdict),
            "accuracy": accuracy(real_verdict, context.fake_verdict),
        }

    def _generator_phase(self, turn: PhaseBatch) -> Scalars:
        if turn.shard in self._kept:
            noise, kept = self._kept.pop(turn.shard)
        else:
            noise, kept = self.noise(self.g, turn), None
        fake = kept or self.generate(self.g, noise, self.condition(self.g, turn.batch))
        real_verdict = None
        adversarial = self.adversarial(turn.step)
        if adversarial and self.needs_real("generator", turn.step):
            with torch.no_grad():
                condition = self.condition(self.d, turn.batch)
                real_verdict = self.judge(self.d, turn.batch["video"], condition)
        context = self._context(turn, noise, fake, real_verdict)
        loss = self.generator_loss(real_verdict, context.fake_verdict) if adversarial else None
        scalars = self.objective("generator", loss, context, turn.step)
        return scalars | {"spread": spread(fake.video)}

    def _context(
        self, turn: PhaseBatch, noise: Tensors, fake: Fake, real: Verdict | None
    ) -> StepContext:
        condition = self.condition(self.d, turn.batch)
        adversarial = self.adversarial(turn.step)
        return StepContext(
            generator=self.g,
            discriminator=self.d,
            batch=turn.batch,
            condition=condition,
            noise=noise,
            fake=fake,
            real_verdict=real,
            fake_verdict=self.judge(self.d, fake.video, condition) if adversarial else Verdict(()),
        )
