"""One training run: its parts, its folder, and the loop of steps, hooks and checkpoints."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from torch import Tensor, nn
from vidgan_cpu.convolution import tune_convolutions, widen_convolutions
from vidgan_cpu.malloc import keep_freed_memory
from vidgan_games.two_player import TwoPlayerGame

from vidgan_core.config.schema import RunConfig
from vidgan_core.data.batches import Batches
from vidgan_core.device import BF16, choose_device, choose_precision
from vidgan_core.errors import UsageError, VidganError
from vidgan_core.interfaces.dataset import Dataset
from vidgan_core.plugins.registry import Registry
from vidgan_core.runs import best, checkpoint
from vidgan_core.runs.checkpoint import Checkpoint
from vidgan_core.runs.folder import RunDir
from vidgan_core.training.distributed.env import check_parts
from vidgan_core.training.distributed.process_group import SINGLE, ProcessGroup
from vidgan_core.training.distributed.sync_batchnorm import synchronise
from vidgan_core.training.ema import EMA
from vidgan_core.training.finite_check import DivergedError
from vidgan_core.training.inputs import build_dataset, build_task, conditioned
from vidgan_core.training.optimizer import optimizer, set_rates
from vidgan_core.training.parts import build
from vidgan_core.training.scalar_means import ScalarMeans
from vidgan_core.training.state import check_same, gather, prefixed, restore, share
from vidgan_core.training.trainer import Trainer

MAX_ROLLBACKS = 3


class Run:
    """A run that is being trained; what the lifecycle hooks are given.

    With several `peers` each of them has one, and the leader's alone has a folder and hooks.
    """

    def __init__(self, config: RunConfig, registry: Registry, peers: ProcessGroup = SINGLE) -> None:
        """Build everything. Nothing is written before `begin`."""
        check_parts(config.data.batch, peers.size, config.trainer.accumulate)
        keep_freed_memory()
        self.config = config
        self.registry = registry
        self.peers = peers
        self.device = choose_device(config.trainer.device)
        self.precision = choose_precision(config.trainer.precision, self.device)
        dataset = build_dataset(config, registry)
        self.task = build_task(config, registry)
        spec = conditioned(dataset, self.task, config)
        self.parts = build(config, registry, spec, self.task)
        players = (self.parts.generator, self.parts.discriminator)
        others = (*(weighted.term for weighted in self.parts.terms), *self.parts.augments)
        for module in (*players, *others):
            self._prepare(module)
        self.batches = self._batches(dataset)
        self.trainer = self._trainer(others)
        self.ema = EMA(self.parts.generator, config.ema_decay)
        if config.trainer.compile:
            for network in players:
                network.compile()
        self.seconds = 0.0
        self._saved_at: int | None = None
        self._folder: RunDir | None = None
        self._lock: object = None
        self._tick = ScalarMeans()

    @property
    def step(self) -> int:
        """How many steps are done."""
        return self.trainer.steps_done

    @property
    def folder(self) -> RunDir:
        """Where the run writes; there from `begin` or `resume` on."""
        assert self._folder is not None
        return self._folder

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
        folder.rewind_metrics(self.step)

    def meet(self) -> None:
        """Give every process the leader's state; to be called by all, after `begin` or `resume`."""
        if self.peers.size > 1:
            share(self)
            self._saved_at = self.peers.tell(self._saved_at)
            self._tick = ScalarMeans(started=self.seconds)

    def fit(self, stop: Callable[[], bool] = lambda: False) -> bool:
        """Train up to the last step, or until `stop()`; return whether the end was reached.

        Raises VidganError when the numbers stop being finite and going back does not help.
        """
        self._announce("vidgan_fit_start")
        try:
            while not self._advance(stop):
                pass
            finished = self.step >= self.config.steps
            self._announce("vidgan_fit_end", finished=finished)
        finally:
            self.batches.close()
            self._lock = None
        return finished

    def _prepare(self, module: nn.Module) -> None:
        """Move a module to the device and tune its layers, in place."""
        settings = self.config.trainer
        module.to(self.device, self.precision.storage)
        if settings.channels_last:
            tune_convolutions(module)
        if self.precision == BF16:
            widen_convolutions(module)
        if settings.sync_batchnorm and self.peers.size > 1:
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
            task=self.task,
            part=self.peers.rank,
            parts=self.peers.size,
        )

    def _trainer(self, others: Sequence[nn.Module]) -> Trainer:
        settings = self.config.trainer
        game = TwoPlayerGame(
            self.parts.generator,
            self.parts.discriminator,
            self.parts.loss,
            self.parts.terms,
            self.parts.augments,
            d_steps=settings.d_steps,
            reuse_fakes=settings.reuse_fakes,
            keep_graphs=settings.accumulate == 1,
            autocast=lambda: self.precision.autocast(self.device),
        )
        phases = game.phases()
        networks = {phase.player: phase.network for phase in phases}
        return Trainer(
            phases,
            {name: optimizer(name, network, self.config) for name, network in networks.items()},
            self.batches,
            seed=self.config.seed,
            max_skipped=settings.max_skipped,
            others=others,
            accumulate=settings.accumulate,
            peers=self.peers,
        )

    def _advance(self, stop: Callable[[], bool]) -> bool:
        """Train and save as far as that goes; False if the run had to go back on its way."""
        try:
            while self.step < self.config.steps and not self.peers.agree(stop()):
                self._one_step()
                if self._due():
                    self._save()
            if self.step != self._saved_at:
                self._save()
        except DivergedError as error:
            self.peers.lead(partial(self._roll_back, error))
            self.meet()
            return False
        return True

    def _due(self) -> bool:
        """Is it time to save? Not while steps are skipped: what they start from is suspect."""
        every = self.config.checkpoint.every
        passed = self.step // every > (self._saved_at or 0) // every
        return passed and not self.trainer.skipped_in_a_row

    def _roll_back(self, error: DivergedError) -> None:
        """Go on from the last healthy checkpoint with other noise, or say what to try."""
        folder, done = self.folder.checkpoints, self.trainer.stream
        saved = checkpoint.newest(folder, accept=lambda c: not c.state["skipped_in_a_row"])
        if saved is None or done == MAX_ROLLBACKS:
            before = f"went back {done} times in vain" if done else "no checkpoint to go back to"
            settings = self.config.trainer
            raise VidganError(
                f"{error} (loss {self.config.loss.name!r}); {before}",
                hint=f"try trainer.lr below {settings.lr:g}, another loss, a term that restrains "
                f"the discriminator, or trainer.precision=fp32 (it is {self.precision.name})",
            ) from None
        checkpoint.drop_after(folder, checkpoint.step_of(saved.path))
        self._restore(saved)
        self.folder.rewind_metrics(self.step)
        self.trainer.skipped_in_a_row = 0
        self.trainer.stream = done + 1
        print(
            f"warning: {error}; going back to step {self.step} with other noise "
            f"({done + 1} of {MAX_ROLLBACKS})",
            file=sys.stderr,
        )

    def _restore(self, saved: Checkpoint) -> None:
        restore(self, saved)
        self._saved_at = self.step
        self._tick = ScalarMeans(started=self.seconds)

    def _one_step(self) -> None:
        started = time.perf_counter()
        set_rates(self.trainer.optimizers, self.config, self.step)
        scalars = self.trainer.step()
        if scalars is not None:
            self.ema.update()
        self.seconds += time.perf_counter() - started
        self._tick.add(scalars)
        due = self.step == 1 or self.step % self.config.log.every == 0
        report = None
        if due or self.step == self.config.steps:
            report = self._report()
            self._tick = ScalarMeans(started=self.seconds)
        self._announce("vidgan_step_end", scalars=report)

    def _announce(self, hook: str, **arguments: object) -> None:
        if self.peers.leads:
            self.registry.announce(hook, run=self, **arguments)

    def _report(self) -> Mapping[str, float]:
        seconds = self.seconds - self._tick.started
        clips = self._tick.steps * self.config.data.batch
        return self._tick.means() | {
            "skipped": self.trainer.skipped,
            "rollbacks": self.trainer.stream,
            "seconds": round(self.seconds, 3),
            "clips_per_second": round(clips / max(seconds, 1e-9), 2),
        }

    def _save(self) -> None:
        model, train, state = gather(self)
        check_same(self.peers, {**prefixed("ema", model.items()), **train}, self.step)
        self.peers.lead(partial(self._write, model, train, state))
        self._saved_at = self.step

    def _write(
        self, model: dict[str, Tensor], train: dict[str, Tensor], state: dict[str, Any]
    ) -> None:
        folder = self.folder.checkpoints
        path = checkpoint.save(folder, self.step, model=model, train=train, state=state)
        if not self.trainer.skipped_in_a_row:
            kept = best.read(folder)
            spare = kept.step if kept else None
            checkpoint.prune(folder, self.config.checkpoint.keep, newest=self.step, spare=spare)
        self._announce("vidgan_checkpoint_saved", path=path)
