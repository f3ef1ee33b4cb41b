"""The conformance suite of terms."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from vidgan_core.interfaces import (
    DataSpec,
    Discriminator,
    Fake,
    Field,
    Generator,
    Network,
    StepContext,
    Tensors,
    Term,
    Verdict,
)
from vidgan_core.plugins.kinds import Kind
from vidgan_core.rng import keyed
from vidgan_core.testing.inputs import drawn_values, sample_fields, shaken
from vidgan_core.testing.suite import Subject, Suite, players, registry, subject_of

CLIPS = 3
CLASSES = 3
SPEC = DataSpec(frames=8, height=32, width=32)
CONDITION = "condition."  # how a term's need of a field of the condition begins


class PlainGenerator(Generator):
    """z (n, 4) -> a video, by one layer: what terms are tried on that need nothing special."""

    def __init__(self, spec: DataSpec) -> None:
        super().__init__(spec)
        self.layer = nn.Linear(4, spec.channels * spec.frames)

    def noise(self, n: int, rng: torch.Generator, *, frames: int | None = None) -> Tensors:
        """Draw z."""
        return {"z": torch.randn(n, 4, generator=rng)}

    def forward(self, noise: Tensors, condition: Tensors, *, frames: int | None = None) -> Fake:
        """Make each frame of one colour, which is stronger to the right and downwards."""
        channels, length, height, width = self.spec.shape
        colours = self.layer(noise["z"]).tanh().unflatten(1, (channels, length))
        down, across = (torch.linspace(0.5, 1, size).to(colours) for size in (height, width))
        return Fake(colours[..., None, None] * down[:, None] * across)


class PlainDiscriminator(Discriminator):
    """One smooth layer a clip, so that first and second derivatives can be written by hand."""

    def __init__(self, spec: DataSpec) -> None:
        super().__init__(spec)
        self.layer = nn.Linear(spec.channels * spec.frames, 1)

    def forward(self, video: Tensor, condition: Tensors) -> Verdict:
        """Score the mean colours, (B, 1): the square of a linear form."""
        return Verdict((self.layer(video.mean((3, 4)).flatten(1)).square(),))


class TermSuite(Suite):
    """Checks of a term; override `by_hand` to have its value checked as well.

    A term that needs something from a network is tried on registered networks that give it,
    any other on `PlainGenerator` and `PlainDiscriminator`.
    """

    kind: ClassVar[Kind] = "term"

    def by_hand(self, name: str, play: StepContext) -> Tensor | None:
        """Return the value on a play, written another way than the term is; None: not known."""
        return None

    def play(self, term: Term) -> StepContext:
        """Return a move of the term's player, the same each time."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            generator, discriminator = self.networks(term)
            real = torch.rand(CLIPS, *SPEC.shape) * 2 - 1
            noise = generator.noise(CLIPS, keyed(0, "conformance"))
            fields = generator.spec.condition
            batch = {f.name: values(f) for f in fields}
            condition = discriminator.condition_from(batch)
            fake = generator(noise, batch)
            if reads_clips(term.player):
                fake = Fake(fake.video.detach(), {n: e.detach() for n, e in fake.extras.items()})
            return StepContext(
                generator=generator,
                discriminator=discriminator,
                batch={"video": real, **batch},
                condition=condition,
                noise=noise,
                fake=fake,
                real_verdict=discriminator(real, condition),
                fake_verdict=discriminator(fake.video, condition),
            )

    def networks(self, term: Term) -> tuple[Generator, Discriminator]:
        """Return networks that give what the term needs; skip the check where there are none."""
        if not term.needs:
            return PlainGenerator(SPEC), PlainDiscriminator(SPEC)
        wanted = {n.removeprefix(CONDITION) for n in term.needs if n.startswith(CONDITION)}
        kinds = [field for field in sample_fields(SPEC) if field.kind in wanted]
        names = wanted - {field.kind for field in kinds}
        spec = replace(SPEC, condition=tuple(Field(name, classes=CLASSES) for name in names))
        wider = replace(spec, condition=(*spec.condition, *kinds))
        for generator, discriminator in product(
            self.registered("generator"), self.registered("discriminator")
        ):
            given = {f"generator.{what}" for what in generator.load().gives}
            given |= {f"discriminator.{what}" for what in discriminator.load().gives}
            taken = generator.load().takes & discriminator.load().takes
            given |= {f"{CONDITION}{field}" for field in taken}
            given |= {f"{CONDITION}{f.kind}" for f in kinds if f.kind in generator.load().takes}
            if term.needs <= given:
                return shaken(self.make(generator, wider)), self.make(discriminator, spec)
        pytest.skip(f"no installed network gives {', '.join(sorted(term.needs))}")

    def registered(self, kind: Kind) -> list[Subject]:
        """Return all networks of a kind."""
        return [subject_of(provided) for provided in registry().all(kind)]

    def value(self, subject: Subject) -> tuple[Term, StepContext, Tensor | None]:
        """Return a term, a play and the term's value on it."""
        term: Term = self.make(subject)
        play = self.play(term)
        return term, play, term(play)

    def own(self, term: Term, play: StepContext) -> Network:
        """Return the network that the term's player trains."""
        return play.discriminator if reads_clips(term.player) else play.generator

    def test_player(self, subject: Subject) -> None:
        """It says whose objective it belongs to."""
        assert subject.load().player in players(), "no game has such a player"

    def test_needs(self, subject: Subject) -> None:
        """What it needs is named as `generator.mask` and `condition.class` are."""
        for need in subject.load().needs:
            network, dot, what = need.partition(".")
            known = (*players(), "condition")
            assert network in known, f"{need!r} names neither network nor condition"
            assert dot
            assert what

    def test_needs_real(self, subject: Subject) -> None:
        """A generator's term does without the verdict on real clips unless it says `needs_real`."""
        term: Term = self.make(subject)
        if not reads_clips(term.player) and not term.needs_real:
            term(replace(self.play(term), real_verdict=None))

    def test_scalar(self, subject: Subject) -> None:
        """Its value is one finite number, or there is none."""
        _, _, value = self.value(subject)
        if value is not None:
            assert value.shape == ()
            assert value.isfinite()

    def test_gradient(self, subject: Subject) -> None:
        """Its value depends on its own player's network, with finite gradients."""
        term, play, value = self.value(subject)
        if value is None:
            return
        assert value.requires_grad, "the value has no gradient"
        value.sum().backward()  # type: ignore[no-untyped-call]
        gradients = [p.grad for p in self.own(term, play).parameters() if p.grad is not None]
        assert any(g.any() for g in gradients), f"the {term.player} gets no gradient"
        assert all(g.isfinite().all() for g in gradients)

    def test_no_side_effects(self, subject: Subject) -> None:
        """Taking its value changes no network, no gradient, no mode and no clip."""
        term: Term = self.make(subject)
        play = self.play(term)

        def everything() -> list[Tensor]:
            tensors = [play.batch["video"], play.fake.video.detach()]
            for network in (play.generator, play.discriminator):
                tensors += [t.detach() for t in network.state_dict().values()]
                tensors += [torch.tensor([m.training for m in network.modules()])]
                tensors += [torch.tensor([p.requires_grad for p in network.parameters()])]
                tensors += [torch.tensor([p.grad is None for p in network.parameters()])]
            return [tensor.clone() for tensor in tensors]

        before = everything()
        term(play)
        assert all(map(torch.equal, before, everything()))

    def test_after_update(self, subject: Subject) -> None:
        """What it does to the player's network leaves finite weights of the same shape."""
        term: Term = self.make(subject)
        network = self.own(term, self.play(term))
        before = [(id(p), p.shape) for p in network.parameters()]
        with torch.no_grad():
            term.after_update(network)
        assert [(id(p), p.shape) for p in network.parameters()] == before
        assert all(p.isfinite().all() for p in network.parameters())

    def test_by_hand(self, subject: Subject) -> None:
        """Its value is the one that is computed by hand."""
        _, play, value = self.value(subject)
        expected = self.by_hand(subject.component.name, play)
        if expected is None:
            pytest.skip("its test class gives no value by hand")
        assert value is not None
        torch.testing.assert_close(value.mean(), expected)


def values(field: Field) -> Tensor:
    """Return a field's values for all clips."""
    if field.kind == "label":
        return torch.randint(CLASSES, (CLIPS,))
    return drawn_values(field, CLIPS)


def reads_clips(player: str) -> bool:
    """Is the network of a player one that reads clips, rather than makes them?"""
    return players().get(player) == "discriminator"
