"""What adversarial games share: noise, clips, scores, and objectives with their terms.

A game with a generator and a critic is a few lines on top of it: see `vidgan_games.two_player`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from vidgan_core.errors import ComponentError, UsageError
from vidgan_core.interfaces.augment import AugmentedDiscriminator, real_sign
from vidgan_core.interfaces.game import Game, GameParts, PhaseBatch, Scalars, WeightedTerm
from vidgan_core.interfaces.networks import (
    Discriminator,
    Fake,
    Generator,
    Network,
    Tensors,
    Verdict,
)
from vidgan_core.interfaces.objectives import StepContext
from vidgan_core.tensors import at_least_float32, to_like


class AdversarialGame(Game):
    """A game of generators against critics, each critic called through the augmentations.

    Forward passes run in the run's precision, losses and terms in float32.
    """

    def __init__(self, parts: GameParts) -> None:
        super().__init__(parts)
        self.loss = parts.loss
        self.terms = tuple(parts.terms)
        self.augments = tuple(parts.augments)

    def generator(self, player: str) -> Generator:
        """Return the generator of a player. UsageError if its network is none."""
        network = self.parts.networks[player]
        if not isinstance(network, Generator):
            raise UsageError(f"{player}: {type(network).__name__} is not a generator")
        return network

    def critic(self, player: str) -> Discriminator:
        """Return the critic of a player, which looks at clips through the augmentations."""
        network = self.parts.networks[player]
        if not isinstance(network, Discriminator):
            raise UsageError(f"{player}: {type(network).__name__} is not a discriminator")
        return AugmentedDiscriminator(network, self.augments) if self.augments else network

    def adversarial(self, step: int) -> bool:
        """Say whether the adversarial loss acts at a step."""
        return self.parts.loss_weight(step) > 0

    def noise(self, generator: Generator, turn: PhaseBatch) -> Tensors:
        """Draw the noise of a shard's clips, on the device and in the dtype of the batch."""
        real = turn.batch["video"]
        drawn = generator.noise(len(real) * turn.shards, turn.rng("noise"))
        return {name: to_like(turn.own(noise), real) for name, noise in drawn.items()}

    def generate(self, generator: Generator, noise: Tensors, condition: Tensors) -> Fake:
        """Make clips (B, C, T, H, W) in at least float32."""
        with self.parts.autocast():
            fake = generator(noise, condition)
        return replace(fake, video=at_least_float32(fake.video))

    def judge(self, critic: Discriminator, video: Tensor, condition: Tensors) -> Verdict:
        """Score clips (B, C, T, H, W), in at least float32."""
        with self.parts.autocast():
            verdict = critic(video, condition)
        return replace(verdict, scores=tuple(at_least_float32(s) for s in verdict.scores))

    def condition(self, network: Network, batch: Tensors) -> Tensors:
        """Return the fields of a batch that a network is given."""
        return network.condition_from(batch)

    def critic_loss(self, real: Verdict, fake: Verdict) -> Tensor:
        """Return the critic's loss, summed over its score heads."""
        pairs = zip(real.scores, fake.scores, strict=True)
        return total([self.loss.discriminator(r, f) for r, f in pairs])

    def generator_loss(self, real: Verdict | None, fake: Verdict) -> Tensor:
        """Return the generator's loss, summed over the critic's score heads."""
        reals = real.scores if real else [None] * len(fake.scores)
        pairs = zip(reals, fake.scores, strict=True)
        return total([self.loss.generator(r, f) for r, f in pairs])

    def needs_real(self, player: str, step: int) -> bool:
        """Say whether the generator's phase of a player reads the scores of real clips."""
        return self.loss.needs_real or any(w.term.needs_real for w in self.due(player, step))

    def objective(
        self, player: str, adversarial: Tensor | None, context: StepContext, step: int
    ) -> Scalars:
        """Weigh the adversarial loss, None before it starts, and add the player's due terms."""
        weight = self.parts.loss_weight(step)
        scalars: Scalars = {}
        parts: list[Tensor] = []
        if adversarial is not None:
            if adversarial.ndim:
                raise ComponentError(
                    f"{type(self.loss).__name__} returns a loss of shape "
                    f"{list(adversarial.shape)}: it must be a scalar"
                )
            scalars["adversarial"] = adversarial
            parts.append(adversarial if weight == 1 else weight * adversarial)
        for weighted in self.due(player, step):
            value = weighted.term(context)
            if value is not None:
                scalars[weighted.name] = value
                parts.append(weighted.strength(step) * value)
        if not parts:
            raise UsageError(
                f"{player}: nothing to minimise at step {step}",
                hint="loss.start needs a term that acts from the beginning",
            )
        return {"loss": sum(parts[1:], parts[0])} | scalars

    def after_update(self, player: str, step: int) -> None:
        """Let the player's due terms change its network after an update."""
        for weighted in self.due(player, step):
            with torch.no_grad():
                weighted.term.after_update(self.parts.networks[player])

    def due(self, player: str, step: int) -> list[WeightedTerm]:
        """Return the player's terms that act at a step."""
        mine = [w for w in self.terms if w.term.player == player and step % w.every == 0]
        if self.adversarial(step):
            return mine
        return [w for w in mine if not w.term.reads_critic]

    def adapt(self, real: Verdict, fake: Verdict) -> Scalars:
        """Tell adaptive augmentations how sure the critic is; return how likely they act."""
        adaptive = [augment for augment in self.augments if augment.target]
        for augment in adaptive:
            augment.observe(real_sign(real, fake, self.loss.boundary))
        return {f"{augment.name}.p": augment.p.clone() for augment in adaptive}

    def output(self, verdict: Verdict) -> Tensor:
        """Return D(x) as the loss reads it, averaged over score heads."""
        return mean([self.loss.output(scores.detach()).mean() for scores in verdict.scores])

    def check_terms(self) -> None:
        """Raise UsageError for a term of no player, or one that needs what no network gives."""
        given = {f"{p}.{name}" for p, net in self.parts.networks.items() for name in net.gives}
        critics = [net for net in self.parts.networks.values() if isinstance(net, Discriminator)]
        given |= {f"condition.{field.name}" for net in critics for field in net.spec.condition}
        networks = self.parts.networks.values()  # a kind: whichever network is given the field
        given |= {f"condition.{field.kind}" for net in networks for field in net.spec.condition}
        for weighted in self.terms:
            if weighted.term.player not in self.players:
                raise UsageError(
                    f"term {weighted.name!r} is for the {weighted.term.player}, which this game "
                    "does not have"
                )
            for missing in sorted(weighted.term.needs - given):
                raise UsageError(_lacking(weighted.name, missing))


def _lacking(term: str, missing: str) -> str:
    source, _, what = missing.partition(".")
    if source == "condition":
        hint = "a task gives one" if what == "clip" else f"--set 'condition=[\"{what}\"]'"
        return f"term {term!r} needs {what!r} in the condition; {hint}"
    return f"term {term!r} needs {what!r} from the {source}, which this {source} does not give"


def total(values: Sequence[Tensor]) -> Tensor:
    """Add scalars up; a single one, of the only score head, is spared two kernels.

    Raises UsageError where there is none: a network without score heads is no critic.
    """
    if not values:
        raise UsageError("the discriminator of this game gives no scores: choose one that does")
    return values[0] if len(values) == 1 else torch.stack(tuple(values)).sum()


def mean(values: Sequence[Tensor]) -> Tensor:
    """Return the mean of scalars."""
    return values[0] if len(values) == 1 else torch.stack(tuple(values)).mean()


def accuracy(real: Verdict, fake: Verdict) -> Tensor:
    """How often a real score is above a fake one, averaged over score heads."""
    pairs = zip(real.scores, fake.scores, strict=True)
    return mean([(r > f).to(r.dtype).mean() for r, f in pairs])


def spread(video: Tensor) -> Tensor:
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
