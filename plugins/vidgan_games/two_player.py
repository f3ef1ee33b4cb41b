"""The two-player game: networks, loss and terms become phases for the trainer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from vidgan_core.errors import UsageError
from vidgan_core.interfaces import (
    Discriminator,
    Fake,
    Generator,
    Loss,
    Player,
    StepContext,
    Tensors,
    Verdict,
)
from vidgan_core.interfaces.augment import AdaptiveAugment, AugmentedDiscriminator, real_sign
from vidgan_core.interfaces.game import Phase, PhaseBatch, Scalars, WeightedTerm
from vidgan_core.tensors import at_least_float32, to_like
from vidgan_core.training.trainer import requires_grad, trainable


class TwoPlayerGame:
    """Generator against discriminator (Goodfellow et al. 2014, algorithm 1).

    A step is `d_steps` updates of the discriminator, each on a fresh batch, and one of the
    generator. With `reuse_fakes` the generator's phase judges the fakes of the discriminator's
    last update again instead of making new ones, which saves a forward pass of the generator.
    Their graph is kept until then; without `keep_graphs` they are made a second time, of the same
    noise, which takes less memory where a batch comes in parts.
    Whoever asks the discriminator, a term included, asks it through `augments`.
    """

    def __init__(
        self,
        generator: Generator,
        discriminator: Discriminator,
        loss: Loss,
        terms: Sequence[WeightedTerm] = (),
        augments: Sequence[AdaptiveAugment] = (),
        *,
        d_steps: int = 1,
        reuse_fakes: bool = True,
        keep_graphs: bool = True,
        autocast: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        self.generator = generator
        self.discriminator = discriminator
        self.loss = loss
        self.terms = tuple(terms)
        self.augments = tuple(augments)
        self.judge = AugmentedDiscriminator(discriminator, augments) if augments else discriminator
        self.d_steps = d_steps
        self.reuse_fakes = reuse_fakes
        self.keep_graphs = keep_graphs
        self.autocast = autocast
        self._thawed = trainable(generator)
        self._kept: dict[int, tuple[Tensors, Fake | None]] = {}  # by the part of the batch
        self._check_terms()

    def phases(self) -> list[Phase]:
        """The phases of one step, in order."""

        last = self.d_steps - 1
        critic = [
            Phase(
                "discriminator",
                self.discriminator,
                partial(self._discriminator_phase, keep=self.reuse_fakes and number == last),
                partial(self._after_update, "discriminator"),
            )
            for number in range(self.d_steps)
        ]
        generator = Phase(
            "generator",
            self.generator,
            self._generator_phase,
            partial(self._after_update, "generator"),
            new_batch=False,
        )
        return [*critic, generator]

    def _discriminator_phase(self, turn: PhaseBatch, *, keep: bool) -> Scalars:
        # The trainer has frozen the generator. Fakes that its own phase is to reuse need its graph.
        graph = keep and self.keep_graphs
        with requires_grad(self._thawed, graph), torch.set_grad_enabled(graph):
            noise = self._noise(turn)
            fake = self._generate(turn, noise)
        if keep:
            self._kept[turn.shard] = noise, fake if graph else None
        real_verdict = self._judge(turn.batch["video"], turn.batch)
        play = self._play(turn, noise, detached(fake), real_verdict)
        pairs = zip(real_verdict.scores, play.fake_verdict.scores, strict=True)
        loss = _sum([self.loss.discriminator(real, fake) for real, fake in pairs])
        return self._objective("discriminator", loss, play, turn.step) | {
            **self._adapt(real_verdict, play.fake_verdict),
            "real": self._output(real_verdict),
            "fake": self._output(play.fake_verdict),
            "accuracy": _accuracy(real_verdict, play.fake_verdict),
        }

    def _generator_phase(self, turn: PhaseBatch) -> Scalars:
        if turn.shard in self._kept:
            noise, kept = self._kept.pop(turn.shard)
        else:
            noise, kept = self._noise(turn), None
        fake = kept or self._generate(turn, noise)
        real_verdict = None
        due = self._due("generator", turn.step)
        if self.loss.needs_real or any(weighted.term.needs_real for weighted in due):
            with torch.no_grad():
                real_verdict = self._judge(turn.batch["video"], turn.batch)
        play = self._play(turn, noise, fake, real_verdict)
        fakes = play.fake_verdict.scores
        reals = real_verdict.scores if real_verdict else [None] * len(fakes)
        pairs = zip(reals, fakes, strict=True)
        loss = _sum([self.loss.generator(real, fake) for real, fake in pairs])
        return self._objective("generator", loss, play, turn.step) | {"spread": _spread(fake.video)}

    def _noise(self, turn: PhaseBatch) -> Tensors:
        real = turn.batch["video"]
        drawn = self.generator.noise(len(real) * turn.shards, turn.rng("noise"))
        return {name: to_like(turn.own(noise), real) for name, noise in drawn.items()}

    def _generate(self, turn: PhaseBatch, noise: Tensors) -> Fake:
        with self.autocast():
            fake = self.generator(noise, self.generator.condition_from(turn.batch))
        return replace(fake, video=at_least_float32(fake.video))

    def _judge(self, video: Tensor, batch: Tensors) -> Verdict:
        with self.autocast():
            verdict = self.judge(video, self.judge.condition_from(batch))
        return replace(verdict, scores=tuple(at_least_float32(scores) for scores in verdict.scores))

    def _play(
        self, turn: PhaseBatch, noise: Tensors, fake: Fake, real: Verdict | None
    ) -> StepContext:
        return StepContext(
            generator=self.generator,
            discriminator=self.judge,
            batch=turn.batch,
            condition=self.judge.condition_from(turn.batch),
            noise=noise,
            fake=fake,
            real_verdict=real,
            fake_verdict=self._judge(fake.video, turn.batch),
        )

    def _objective(self, player: Player, loss: Tensor, play: StepContext, step: int) -> Scalars:
        """Add the player's due terms to its loss."""
        scalars = {"adversarial": loss}
        for weighted in self._due(player, step):
            value = weighted.term(play)
            if value is not None:
                scalars[weighted.name] = value
                loss = loss + weighted.strength(step) * value
        return {"loss": loss} | scalars

    def _after_update(self, player: Player, step: int) -> None:
        network = self.generator if player == "generator" else self.discriminator
        for weighted in self._due(player, step):
            with torch.no_grad():
                weighted.term.after_update(network)

    def _due(self, player: Player, step: int) -> list[WeightedTerm]:
        return [w for w in self.terms if w.term.player == player and step % w.every == 0]

    def _adapt(self, real: Verdict, fake: Verdict) -> Scalars:
        """Tell adaptive augmentations how sure the discriminator is; return how likely they act."""
        adaptive = [strength for strength in self.augments if strength.target]
        for strength in adaptive:
            strength.observe(real_sign(real, fake, self.loss.boundary))
        return {f"{strength.name}.p": strength.p.clone() for strength in adaptive}

    def _output(self, verdict: Verdict) -> Tensor:
        """D(x) as the loss reads it, averaged over critics."""
        return _mean([self.loss.output(scores.detach()).mean() for scores in verdict.scores])

    def _check_terms(self) -> None:
        given = {f"generator.{name}" for name in self.generator.gives}
        given |= {f"discriminator.{name}" for name in self.discriminator.gives}
        given |= {f"condition.{field.name}" for field in self.discriminator.spec.condition}
        for weighted in self.terms:
            for missing in sorted(weighted.term.needs - given):
                source, _, what = missing.partition(".")
                if source == "condition":
                    raise UsageError(
                        f"term {weighted.name!r} needs {what!r} in the condition",
                        hint=f"--set 'condition=[\"{what}\"]'",
                    )
                raise UsageError(
                    f"term {weighted.name!r} needs {what!r} from the {source}, which this "
                    f"{source} does not give"
                )


def _sum(values: Sequence[Tensor]) -> Tensor:
    """Add scalars up; a single one, of the only critic, is spared two kernels."""
    return values[0] if len(values) == 1 else torch.stack(tuple(values)).sum()


def _mean(values: Sequence[Tensor]) -> Tensor:
    return values[0] if len(values) == 1 else torch.stack(tuple(values)).mean()


def _accuracy(real: Verdict, fake: Verdict) -> Tensor:
    """How often a real score is above a fake one, which any loss wants, averaged over critics."""
    pairs = zip(real.scores, fake.scores, strict=True)
    return _mean([(r > f).to(r.dtype).mean() for r, f in pairs])


def _spread(video: Tensor) -> Tensor:
    """How much the clips of a batch differ: the standard deviation over it, averaged.

    In the order of memory; `Tensor.std` over the batch was measured to take a sixth of a step.
    """
    clips = video.detach()
    order = sorted(range(1, clips.dim()), key=clips.stride, reverse=True)
    rows = clips.permute(0, *order).flatten(1)
    away = (rows - rows.mean(0)).flatten()
    return torch.dot(away, away).div(away.numel()).sqrt()


def detached(fake: Fake) -> Fake:
    """Return a fake that no gradient flows through."""
    extras = {name: extra.detach() for name, extra in fake.extras.items()}
    return Fake(fake.video.detach(), extras)
