"""One training run: its parts, its folder, and the loop of steps, hooks and checkpoints."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.optim import Adam

from vidgan_core import __version__, checkpoint
from vidgan_core.build import build, build_dataset, conditioned, spec_to_json
from vidgan_core.checkpoint import Checkpoint, flatten, prefixed, section, unflatten
from vidgan_core.config import RunConfig
from vidgan_core.data import Batches
from vidgan_core.ema import EMA
from vidgan_core.errors import CheckpointError
from vidgan_core.game import TwoPlayerGame
from vidgan_core.plugins import Registry, versions
from vidgan_core.precision import channels_last, choose_device, choose_precision
from vidgan_core.rundir import RunDir
from vidgan_core.trainer import Scalars, Trainer


class Run:
    """A run that is being trained; what the lifecycle hooks are given."""

    def __init__(self, config: RunConfig, registry: Registry) -> None:
        """Build everything. Nothing is written before `begin`."""
        self.config = config
        self.registry = registry
        self.device = choose_device(config.trainer.device)
        self.precision = choose_precision(config.trainer.precision, self.device)
        dataset = build_dataset(config, registry)
        self.parts = build(config, registry, conditioned(dataset, config.condition))
        players = (self.parts.generator, self.parts.discriminator)
        for module in (*players, *(weighted.term for weighted in self.parts.terms)):
            module.to(self.device, self.precision.storage)
            if config.trainer.channels_last:
                channels_last(module)
        workers = config.data.workers
        self.batches = Batches(
            dataset,
            config.data.batch,
            seed=config.seed,
            device=self.device,
            dtype=self.precision.storage,
            workers=int(dataset.slow) if workers == "auto" else workers,
            max_lost=config.data.max_lost,
        )
        game = TwoPlayerGame(
            *players,
            self.parts.loss,
            self.parts.terms,
            d_steps=config.trainer.d_steps,
            reuse_fakes=config.trainer.reuse_fakes,
            autocast=lambda: self.precision.autocast(self.device),
        )
        phases = game.phases()
        optimizers = {phase.name: self._optimizer(phase.network) for phase in phases}
        self.trainer = Trainer(
            phases,
            optimizers,
            self.batches,
            seed=config.seed,
            max_skipped=config.trainer.max_skipped,
        )
        self.ema = EMA(self.parts.generator, config.trainer.ema)
        self.seconds = 0.0
        self._folder: RunDir | None = None
        self._tick = Tick()

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
        """Start in a fresh folder."""
        self._folder = folder
        folder.write_records(self.config, self.registry, self.device)

    def resume(self, folder: RunDir, saved: Checkpoint | None) -> None:
        """Go on in a folder, from a checkpoint if one was ever completed."""
        self.begin(folder)
        if saved:
            self._restore(saved)
        folder.rewind_metrics(self.step)

    def fit(self, stop: Callable[[], bool] = lambda: False) -> bool:
        """Train up to the last step, or until `stop()`; return whether the end was reached."""
        announce = self.registry.announce
        announce("vidgan_fit_start", run=self)
        saved_at = self.step
        while self.step < self.config.steps and not stop():
            self._one_step()
            if self.step % self.config.checkpoint.every == 0:
                self._save()
                saved_at = self.step
        if self.step != saved_at:
            self._save()
        finished = self.step >= self.config.steps
        self.batches.close()
        announce("vidgan_fit_end", run=self, finished=finished)
        return finished

    def _one_step(self) -> None:
        started = time.perf_counter()
        scalars = self.trainer.step()
        if scalars is not None:
            self.ema.update()
        self.seconds += time.perf_counter() - started
        self._tick.add(scalars)
        due = self.step == 1 or self.step % self.config.log.every == 0
        report = None
        if due or self.step == self.config.steps:
            report = self._report()
            self._tick = Tick(started=self.seconds)
        self.registry.announce("vidgan_step_end", run=self, scalars=report)

    def _report(self) -> Mapping[str, float]:
        seconds = self.seconds - self._tick.started
        clips = self._tick.steps * self.config.data.batch
        return self._tick.means() | {
            "skipped": self.trainer.skipped,
            "seconds": round(self.seconds, 3),
            "clips_per_second": round(clips / max(seconds, 1e-9), 2),
        }

    def _optimizer(self, network: torch.nn.Module) -> Adam:
        settings = self.config.trainer
        return Adam(network.parameters(), settings.lr, settings.betas, fused=True)

    def _save(self) -> None:
        folder = self.folder.checkpoints
        model, train, state = self._state()
        path = checkpoint.save(folder, self.step, model=model, train=train, state=state)
        checkpoint.prune(folder, self.config.checkpoint.keep)
        self.registry.announce("vidgan_checkpoint_saved", run=self, path=path)

    def _state(self) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Any]]:
        """Return tensors of the model, tensors of the training, and the rest."""
        train: dict[str, Tensor] = {}
        for name, module in self._modules().items():
            train |= prefixed(name, module.state_dict().items())
        plain = {}
        for name, optimizer in self.trainer.optimizers.items():
            tensors, plain[name] = flatten(optimizer.state_dict())
            train |= prefixed(f"optimizer.{name}", tensors.items())
        state = {
            "step": self.step,
            "skipped": self.trainer.skipped,
            "ema_updates": self.ema.updates,
            "seconds": self.seconds,
            "optimizers": plain,
            "spec": spec_to_json(self.parts.spec),
            "config": self.config.model_dump(mode="json"),
            "vidgan": __version__,
            "plugins": dict(versions(self.registry)),
        }
        return dict(self.ema.generator.state_dict()), train, state

    def _restore(self, saved: Checkpoint) -> None:
        """Put every tensor and counter back. Raises CheckpointError if they don't fit."""
        try:
            self.ema.generator.load_state_dict(saved.model)
            for name, module in self._modules().items():
                module.load_state_dict(section(saved.train, name))
            for name, optimizer in self.trainer.optimizers.items():
                tensors = section(saved.train, f"optimizer.{name}")
                load_optimizer(optimizer, unflatten(tensors, saved.state["optimizers"][name]))
            self.trainer.steps_done = saved.state["step"]
            self.trainer.skipped = saved.state["skipped"]
            self.ema.updates = saved.state["ema_updates"]
            self.seconds = saved.state["seconds"]
        except (KeyError, RuntimeError, ValueError, TypeError) as error:
            raise CheckpointError(f"{saved.path} does not fit this run: {error}") from None
        self._tick = Tick(started=self.seconds)

    def _modules(self) -> dict[str, torch.nn.Module]:
        """Everything that is trained or has a state of its own, by the name in a checkpoint."""
        return {
            "generator": self.parts.generator,
            "discriminator": self.parts.discriminator,
            **{f"term.{weighted.name}": weighted.term for weighted in self.parts.terms},
        }


@dataclass
class Tick:
    """Sums of the scalars since the last report; they stay on the device until it is made."""

    started: float = 0.0
    steps: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    sums: dict[str, Tensor] = field(default_factory=dict)

    def add(self, scalars: Scalars | None) -> None:
        """Count a step, skipped (None) or not."""
        self.steps += 1
        for name, value in (scalars or {}).items():
            self.counts[name] += 1
            self.sums[name] = self.sums[name] + value if name in self.sums else value

    def means(self) -> dict[str, float]:
        """Return the means over the steps in which each scalar was there."""
        return {name: float(total) / self.counts[name] for name, total in self.sums.items()}


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load an optimizer's state with each tensor laid out in memory as its parameter is.

    A file knows only the plain layout, but fused optimizers walk through parameter and state in
    storage order: without this a channels-last network would resume with its moments shuffled.
    """
    for group in state["param_groups"]:  # JSON has no tuples
        group |= {k: tuple(v) for k, v in group.items() if isinstance(v, list) and k != "params"}
    optimizer.load_state_dict(state)
    for parameter, entries in optimizer.state.items():
        for name, value in entries.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                entries[name] = torch.empty_like(parameter).copy_(value)
