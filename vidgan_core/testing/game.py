"""The conformance suite of games."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import ClassVar

import pytest
from torch import Tensor, nn

from vidgan_core.config.schema import RunConfig
from vidgan_core.errors import UsageError
from vidgan_core.interfaces import Game, Loss, Phase, PhaseBatch, Scalars, StepContext, Term
from vidgan_core.plugins.kinds import Kind
from vidgan_core.testing.small_run import different, make_run, new_folder, stand_in, trained
from vidgan_core.testing.suite import Subject, Suite
from vidgan_core.training.run import Run
from vidgan_core.training.trainer import Trainer

NETWORKS = ("generator", "discriminator")
START = 1  # the step at which the adversarial loss begins where it begins late
RESERVED = {"average", "optimizer"}  # what tensors of a checkpoint are called besides the players'


class CountedLoss(Loss):
    """Scores as they are; counts how often it is asked."""

    def __init__(self) -> None:
        self.calls = 0

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the mean fake score less the mean real one."""
        self.calls += 1
        return fake.mean() - real.mean()

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        """Return the mean fake score, negated."""
        self.calls += 1
        return -fake.mean()


class PixelTerm(Term):
    """Pulls the pixels of generated clips towards black, without a critic."""

    reads_critic = False

    def forward(self, play: StepContext) -> Tensor:
        """Return the mean distance from black."""
        return (play.fake.video + 1).square().mean()


class GameSuite(Suite):
    """Checks of a game, in small runs of the networks that its record calls usual.

    `options` are given to the game and to each network that has them, `settings` are further
    values of the configuration, as for --set.
    """

    kind: ClassVar[Kind] = "game"
    options = {"width": 2}  # noqa: RUF012
    settings: ClassVar[Sequence[str]] = ()

    def make_run(self, subject: Subject, *settings: str, others: Sequence[Subject] = ()) -> Run:
        """Make a run of the game; `others` are components that the settings choose."""
        chosen = (f"game.name={subject.component.name}", *self.settings, *settings)
        return make_run([subject, *others], chosen, self.options)

    @contextmanager
    def run(
        self, subject: Subject, *settings: str, others: Sequence[Subject] = ()
    ) -> Iterator[Run]:
        """Make a run and release it at the end."""
        run = self.make_run(subject, *settings, others=others)
        try:
            yield run
        finally:
            run.batches.close()

    def test_players(self, subject: Subject) -> None:
        """Its players have names and kinds; of those averaged one is sampled."""
        game: type[Game] = subject.load()
        taken = {*RunConfig.model_fields, *RESERVED}
        for player, kind in game.players.items():
            assert kind in NETWORKS, f"{player} is a {kind!r}, which is no kind of network"
            assert re.fullmatch(r"[a-z][a-z0-9_-]*", player), f"{player!r} can't name a table"
            assert player not in taken, f"{player!r} is already a table of the configuration"
        assert set(game.averaged) <= set(game.players), "an average of what is no player"
        assert game.sampled in game.averaged, "no average is kept of what is sampled"
        assert game.players[game.sampled] == "generator", "what is sampled is no generator"

    def test_phases(self, subject: Subject) -> None:
        """Each phase trains the network of a player, and one of them asks for a batch."""
        with self.run(subject) as run:
            phases = run.game.phases()
            assert phases, "there are no phases"
            for phase in phases:
                assert phase.player in run.game.players, f"there is no player {phase.player!r}"
                own = run.game.parts.networks[phase.player]
                assert phase.network is own, f"a phase of {phase.player} trains another network"
            assert any(phase.new_batch for phase in phases), "no phase asks for a batch of its own"

    def test_step(self, subject: Subject) -> None:
        """A step updates every player that has a phase, and each in its own phases alone."""
        with self.run(subject) as run:
            start, watch = weights(run), Watch(run)
            assert watch.trainer.step() is not None, "a step could not update with finite numbers"
            watch.look()
            for player in {phase.player for phase in run.game.phases()}:
                assert different(start[player], weights(run)[player]), f"{player} is not trained"

    def test_scalars(self, subject: Subject) -> None:
        """Scalars are finite numbers, and those that the game names appear."""
        with self.run(subject) as run:
            found = [run.trainer.step() or {} for _ in range(2)]
        for scalars in found:
            for name, value in scalars.items():
                assert value.shape == (), f"{name} has the shape {list(value.shape)}"
                assert value.isfinite(), f"{name} is not finite"
        game = run.game
        shown = {game.accuracy_scalar, game.spread_scalar, *game.progress.values()} - {""}
        missing = sorted(shown - set().union(*found))
        assert not missing, f"no phase gives {', '.join(missing)}"

    def test_same_run(self, subject: Subject) -> None:
        """The same seed gives the same run, to the last bit."""
        states = []
        for _ in range(2):
            with self.run(subject) as run:
                found = [run.trainer.step() or {} for _ in range(2)]
                scalars = {f"{n}/{k}": v for n, each in enumerate(found) for k, v in each.items()}
                states.append(scalars | flat(weights(run)))
        assert not (wrong := different(*states)), f"other numbers of the same seed: {wrong[:3]}"

    def test_resume(self, subject: Subject) -> None:
        """A run that stops and is resumed is the run that does not stop, to the last bit."""

        def make(steps: int) -> Run:
            return self.make_run(subject, f"steps={steps}")

        with new_folder() as whole, new_folder() as parts:
            _, once = trained(make, whole, 4)
            _, twice = trained(make, parts, 2, 4)
        wrong = different(once, twice)
        if wrong:
            with new_folder() as again:
                if different(once, trained(make, again, 4)[1]):
                    return  # another check's matter
        assert not wrong, f"other numbers once resumed: {wrong[:3]}"

    def test_accumulate(self, subject: Subject) -> None:
        """A batch in parts, one after another, trains the same players."""
        with self.run(subject, "trainer.accumulate=2") as run:
            start = weights(run)
            for _ in range(2):
                assert run.trainer.step() is not None, "it can't go through a batch in parts"
            for player in {phase.player for phase in run.game.phases()}:
                assert different(start[player], weights(run)[player]), f"{player} is not trained"

    def test_loss_start(self, subject: Subject) -> None:
        """Before loss.start it does without the adversarial loss, or refuses to."""
        game: type[Game] = subject.load()
        term = stand_in("term", type("pixel", (PixelTerm,), {"player": game.sampled}))
        loss = stand_in("loss", CountedLoss)
        late = ("loss.name=CountedLoss", f"loss.start={START}", "term={pixel={}}")
        with self.run(subject, *late, others=[loss, term]) as run:
            counted = run.game.parts.loss
            assert isinstance(counted, CountedLoss)
            start = weights(run)
            try:
                scalars = run.trainer.step()
            except UsageError as error:
                pytest.skip(f"it refuses: {error}")
            assert scalars is not None
            assert not counted.calls, "the adversarial loss acts before its start"
            assert different(start[game.sampled], weights(run)[game.sampled]), "nothing is trained"
            assert run.trainer.step() is not None
            assert counted.calls, "the adversarial loss does not begin at its start"

    def test_terms(self, subject: Subject) -> None:
        """It refuses a term of a player that it has not, and one whose needs are not met."""
        for player, needs in (("nobody", ()), (subject.load().sampled, ("generator.nothing",))):
            wrong = {"player": player, "needs": frozenset(needs)}
            term = stand_in("term", type("pixel", (PixelTerm,), wrong))
            try:
                self.make_run(subject, "term={pixel={}}", others=[term]).batches.close()
            except UsageError:
                continue
            raise AssertionError(f"it takes a term of {player} that needs {needs or 'nothing'}")


class Watch:
    """A trainer of a run's phases that looks at the weights before and after each of them."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._before = weights(run)
        self._player = ""
        self.trainer = Trainer(
            [self._watched(phase) for phase in run.game.phases()],
            run.trainer.optimizers,
            run.batches,
            seed=run.config.seed,
        )

    def _watched(self, phase: Phase) -> Phase:
        def objective(turn: PhaseBatch) -> Scalars:
            self.look()
            scalars = phase.objective(turn)
            self.look()
            self._player = phase.player
            return scalars

        return replace(phase, objective=objective)

    def look(self) -> None:
        """Assert that since the last look no network has changed but that of the phase."""
        now = weights(self._run)
        for player, tensors in now.items():
            if player != self._player:
                whose = f"an update of {self._player}" if self._player else "an objective"
                assert not different(self._before[player], tensors), f"{whose} changes {player}"
        self._before, self._player = now, ""


def weights(run: Run) -> dict[str, dict[str, Tensor]]:
    """Return copies of the weights by player and name."""

    def copied(network: nn.Module) -> dict[str, Tensor]:
        return {name: p.detach().clone() for name, p in network.named_parameters()}

    return {player: copied(network) for player, network in run.networks.items()}


def flat(tensors: dict[str, dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return nested tensors as one mapping."""
    return {f"{p}.{n}": tensor for p, inner in tensors.items() for n, tensor in inner.items()}
