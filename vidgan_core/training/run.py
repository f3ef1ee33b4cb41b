"""One training run: its parts, its folder, and the loop of steps, events and checkpoints."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from torch import Tensor, nn

from vidgan_core.config.schema import RunConfig
from vidgan_core.data.batches import Batches
from vidgan_core.device import choose_device
from vidgan_core.errors import StalledError, UsageError, VidganError
from vidgan_core.interfaces import Callback, Dataset, DataSpec, Generator, Tensors
from vidgan_core.plugins.registry import Registry
from vidgan_core.runs import bookkeeping, checkpoint
from vidgan_core.runs.checkpoint import Checkpoint
from vidgan_core.runs.folder import RunDir
from vidgan_core.training.boundary import FirstOutputs, try_sampling
from vidgan_core.training.distributed.env import check_shards
from vidgan_core.training.distributed.process_group import SINGLE, ProcessGroup
from vidgan_core.training.distributed.sync_batchnorm import synchronise
from vidgan_core.training.ema import EMA
from vidgan_core.training.events import Events
from vidgan_core.training.finite_check import DivergedError
from vidgan_core.training.inputs import build_dataset, build_task, conditioned
from vidgan_core.training.optimizers import build_optimizer, learning_rate, set_rates
from vidgan_core.training.parts import build_game
from vidgan_core.training.prepare import precision_of, prepare_module
from vidgan_core.training.scalar_means import ScalarMeans
from vidgan_core.training.state import (
    check_same,
    collect,
    model_tensors,
    modules,
    prefixed,
    restore,
    share,
)
from vidgan_core.training.trainer import Trainer

logger = logging.getLogger("vidgan.training")

MAX_ROLLBACKS = 3


class Run:
    """A run that is being trained; what callbacks and lifecycle hooks are given.

    Of several processes each has one, and the first one's alone has a folder and callbacks.
    """

    def __init__(
        self,
        config: RunConfig,
        registry: Registry,
        group: ProcessGroup = SINGLE,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        """Build everything. Nothing is written before `begin`."""
        check_shards(config.data.batch, group.size, config.trainer.accumulate)
        self.config = config
        self.registry = registry
        self.group = group
        self.device = choose_device(config.trainer.device)
        self.precision = precision_of(config.trainer.precision, self.device, registry)
        dataset = build_dataset(config, registry)
        autocast = partial(self.precision.autocast, self.device)
        self.task = build_task(config, registry)
        spec = conditioned(dataset, self.task, config)
        self.game = build_game(config, registry, spec, self.task, autocast)
        self.networks = dict(self.game.parts.networks)
        for module in modules(self.game).values():
            self._prepare(module)
        self.batches = self._batches(dataset)
        self.trainer = self._trainer()
        self.averages = {
            player: EMA(self.networks[player], config.ema_decay) for player in self.game.averaged
        }
        if config.trainer.compile:
            for network in self.networks.values():
                network.compile()
        self.seconds = 0.0
        self.finished = False
        self._rates = {player: learning_rate(config, player) for player in self.trainer.optimizers}
        self._events = Events(config, registry, callbacks) if group.leads else None
        self._saved_at: int | None = None
        self._first_outputs = FirstOutputs(self.game, config, registry)
        self._folder: RunDir | None = None
        self._lock: object = None
        self._means = ScalarMeans()

    @property
    def step(self) -> int:
        """How many steps are done."""
        return self.trainer.steps_done

    @property
    def spec(self) -> DataSpec:
        """The shape of a clip and the fields of its condition."""
        return self.sampled.spec

    @property
    def sampled(self) -> Generator:
        """The moving average of the generator that clips are made with, in eval mode."""
        generator = self.averages[self.game.sampled].network
        assert isinstance(generator, Generator)
        return generator

    @property
    def folder(self) -> RunDir:
        """Where the run writes; there from `begin` or `resume` on."""
        assert self._folder is not None
        return self._folder

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """What was logged so far: a record of scalars with its step, in order."""
        return self.folder.read_metrics()

    def model_tensors(self) -> dict[str, Tensor]:
        """Return the tensors of all averages, by their names in a checkpoint."""
        return model_tensors(self.averages)

    def begin(self, folder: RunDir) -> None:
        """Start in a fresh folder, which is this process's alone from here on."""
        self._lock = folder.lock()
        self._folder = folder
        folder.write_records(self.config, self.registry, self.device)

    def resume(self, folder: RunDir, saved: Checkpoint | None) -> None:
        """Go on in a folder, from a checkpoint if one was ever completed.

        Raises UsageError if the run is past its last step; nothing is written before it all fits.
        """
        if saved:
            self._restore(saved)
        if self.step > self.config.steps:
            raise UsageError(f"{folder.path} has done {self.step} steps, --steps asks for fewer")
        self.begin(folder)
        folder.rewind(self.step)

    def synchronise(self) -> None:
        """Give every process the first one's state; all call it, after `begin` or `resume`."""
        if self.group.size > 1:
            share(self)
            self._saved_at = self.group.broadcast(self._saved_at)
            self._means = ScalarMeans(started=self.seconds)

    def fit(self, stop: Callable[[], bool] = lambda: False) -> bool:
        """Train up to the last step, or until `stop()`; return whether the end was reached.

        Raises VidganError when the numbers stop being finite and going back does not help.
        """
        self.batches.stop_waiting(stop)
        try:
            try_sampling(self.sampled, self.config.seed, self._describe(self.game.sampled))
            self.report("fit_start")
            while not self._advance(stop):
                pass
            self.finished = self.step >= self.config.steps
            self.report("fit_end", finished=self.finished)
        except BaseException as error:
            self._crashed(error)
            raise
        finally:
            if self._events:
                self._events.close()
            self.batches.close()
            self._lock = None
        return self.finished

    def report(self, event: str, **facts: Any) -> None:
        """Tell callbacks and lifecycle hooks of an event."""
        if self._events:
            self._events.announce(event, self, **facts)

    def _describe(self, player: str) -> str:
        return self.registry.describe(self.game.players[player], self.config.networks[player].name)

    def _crashed(self, error: BaseException) -> None:
        try:
            self.report("crashed", error=error)
        except Exception as second:  # the first error is the one to tell of
            logger.warning("a callback failed after the run had: %s", second)

    def _prepare(self, module: nn.Module) -> None:
        """Make a module ready on the device, in place."""
        settings = self.config.trainer
        prepare_module(
            module,
            self.registry,
            self.device,
            self.precision,
            channels_last=settings.channels_last,
        )
        if settings.sync_batchnorm and self.group.size > 1:
            synchronise(module)

    def _batches(self, dataset: Dataset) -> Batches:
        settings = self.config.data
        return Batches(
            dataset,
            settings.batch,
            seed=self.config.seed,
            device=self.device,
            dtype=self.precision.storage,
            workers=int(dataset.slow) if settings.workers == "auto" else settings.workers,
            max_lost=settings.max_lost,
            shard=self.group.rank,
            shards=self.group.size,
            task=self.task,
        )

    def _batch(self, position: int) -> Tensors:
        """Return a batch. Raises StalledError if it does not come and the run is to stop.

        One of several processes gets a stand-in then: the others wait for its part of the step,
        and are told with it that all of them abandon this step.
        """
        try:
            return self.batches(position)
        except StalledError:
            if self.group.size == 1:
                raise
            self.group.stalled = True
            return self.batches.placeholder()

    def _trainer(self) -> Trainer:
        settings = self.config.trainer
        phases = self.game.phases()
        trained = {phase.player for phase in phases}
        return Trainer(
            phases,
            {
                player: build_optimizer(player, network, self.config, self.registry)
                for player, network in self.networks.items()
                if player in trained
            },
            self._batch,
            seed=self.config.seed,
            max_skipped=settings.max_skipped,
            others=[m for name, m in modules(self.game).items() if name not in trained],
            accumulate=settings.accumulate,
            group=self.group,
        )

    def _advance(self, stop: Callable[[], bool]) -> bool:
        """Train and save as far as that goes; False if the run had to go back on its way."""
        try:
            while self.step < self.config.steps and not self.group.stop_requested(stop()):
                self._one_step()
                if self._due():
                    self._save()
                self.report("after_step")
            if self.step != self._saved_at:
                self._save()
        except StalledError:
            self.trainer.abandon()
            if self.step != self._saved_at:
                self._save()
        except DivergedError as error:
            self.group.run_on_rank0(partial(self._roll_back, error))
            self.synchronise()
            return False
        return True

    def _due(self) -> bool:
        """Is it time to save? Not while steps are skipped: what they start from is suspect."""
        every = self.config.checkpoint.every
        passed = self.step // every > (self._saved_at or 0) // every
        passed |= self.step == self.config.loss.start
        return passed and not self.trainer.skipped_in_a_row

    def _roll_back(self, error: DivergedError) -> None:
        """Go on from the last healthy checkpoint with other noise, or say what to try."""
        folder, done = self.folder.checkpoints, self.trainer.noise_stream
        saved = checkpoint.newest(folder, accept=lambda c: not c.state["skipped_in_a_row"])
        if saved is None or done == MAX_ROLLBACKS:
            before = f"went back {done} times in vain" if done else "no checkpoint to go back to"
            raise VidganError(
                f"{error} (loss {self.config.loss.name!r}); {before}",
                hint=f"try optimizer.lr below {self.config.optimizer.lr:g}, another loss, a term "
                "that regularizes the discriminator, or trainer.precision=fp32 "
                f"(it is {self.precision.name})",
            ) from None
        checkpoint.drop_after(folder, checkpoint.step_of(saved.path))
        self._restore(saved)
        self.folder.rewind(self.step)
        self.trainer.skipped_in_a_row = 0
        self.trainer.noise_stream = done + 1
        logger.warning(
            "%s; going back to step %d with other noise (%d of %d)",
            *(error, self.step, done + 1, MAX_ROLLBACKS),
        )

    def _restore(self, saved: Checkpoint) -> None:
        restore(self, saved)
        self._saved_at = self.step
        self._means = ScalarMeans(started=self.seconds)

    def _one_step(self) -> None:
        started = time.perf_counter()
        set_rates(self.trainer.optimizers, self._rates, self.step)
        with self._first_outputs.step():
            scalars = self.trainer.step()
        if scalars is not None:
            for average in self.averages.values():
                average.update()
        self.seconds += time.perf_counter() - started
        self._means.add(scalars)
        due = self.step == 1 or self.step % self.config.trainer.report_every == 0
        means = None
        if due or self.step == self.config.steps:
            means = self._report()
            self._means = ScalarMeans(started=self.seconds)
        self.report("step_end", scalars=means)

    def _report(self) -> dict[str, float]:
        seconds = self.seconds - self._means.started
        clips = self._means.steps * self.config.data.batch
        return self._means.means() | {
            "skipped": self.trainer.skipped,
            "rollbacks": self.trainer.noise_stream,
            "seconds": round(self.seconds, 3),
            "clips_per_second": round(clips / max(seconds, 1e-9), 2),
        }

    def _save(self) -> None:
        model, train, state = collect(self)
        check_same(self.group, {**prefixed("average", model.items()), **train}, self.step)
        self.group.run_on_rank0(partial(self._write, model, train, state))
        self._saved_at = self.step

    def _write(
        self, model: Mapping[str, Tensor], train: Mapping[str, Tensor], state: Mapping[str, Any]
    ) -> None:
        path = checkpoint.save(
            self.folder.checkpoints, self.step, model=model, train=train, state=state
        )
        if not self.trainer.skipped_in_a_row:
            folder = self.folder.checkpoints  # asked for again: it may have moved meanwhile
            kept = bookkeeping.read_best(folder)
            # The weights from before the adversarial loss can be blended with later ones.
            spare = {self.config.loss.start, *([kept.step] if kept else [])}
            checkpoint.prune(folder, self.config.checkpoint.keep, newest=self.step, spare=spare)
        self.report("checkpoint_saved", path=path)
