"""What components return is checked once, so that a plugin's mistake is told where it is made."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from vidgan_core.config.schema import RunConfig
from vidgan_core.errors import ComponentError, VidganError, explained, one_line
from vidgan_core.interfaces import (
    Discriminator,
    Fake,
    Field,
    Game,
    Generator,
    Loss,
    Network,
    Verdict,
)
from vidgan_core.plugins.registry import Registry
from vidgan_core.rng import keyed
from vidgan_core.tensors import to_like

Hook = Callable[[nn.Module, tuple[Any, ...], Any], None]
LARGEST_PIXEL = 100.0  # of a video in [-1, 1], with room for networks that don't squash


class FirstOutputs:
    """Checks what each component of a game returns in the first step in which it is used.

    What is wrong is a ComponentError that names the component, its distribution and version.
    Compiled networks are not looked at: a hook that comes and goes would have them compiled twice.
    """

    def __init__(self, game: Game, config: RunConfig, registry: Registry) -> None:
        self._waiting: dict[nn.Module, Hook] = {}
        self._loss: Loss | None = game.parts.loss
        self._loss_name = registry.describe("loss", config.loss.name)
        if config.trainer.compile:
            return
        for player, network in game.parts.networks.items():
            who = registry.describe(game.players[player], config.networks[player].name)
            self._waiting[network] = _network_hook(who)
        for augment in game.parts.augments:
            self._waiting[augment.augment] = _augment_hook(
                registry.describe("augment", augment.name)
            )
        for weighted in game.parts.terms:
            self._waiting[weighted.term] = _term_hook(registry.describe("term", weighted.name))

    @contextmanager
    def step(self) -> Iterator[None]:
        """Within the block, check what has not been used in a step before."""
        if not self._waiting and self._loss is None:
            yield
            return
        used: set[nn.Module] = set()
        with ExitStack() as hooks:
            for module, hook in self._waiting.items():
                handle = module.register_forward_hook(_noting(hook, used))
                hooks.callback(handle.remove)
            if self._loss is not None:
                hooks.enter_context(self._checked_loss(self._loss))
            yield
        for module in used:
            del self._waiting[module]

    @contextmanager
    def _checked_loss(self, loss: Loss) -> Iterator[None]:
        """Within the block, check what the methods of a loss return, which is no module."""
        used = []

        def checked(method: Callable[..., Any]) -> Callable[..., Any]:
            def call(*scores: Any) -> Any:
                value = method(*scores)
                used.append(method)
                _check_scalar(self._loss_name, value, "a loss")
                return value

            return call

        methods = {name: checked(getattr(loss, name)) for name in ("discriminator", "generator")}
        before = {name: vars(loss)[name] for name in methods if name in vars(loss)}
        vars(loss).update(methods)
        try:
            yield
        finally:
            for name in methods:
                del vars(loss)[name]
            vars(loss).update(before)
        if used:
            self._loss = None


def _noting(hook: Hook, used: set[nn.Module]) -> Hook:
    """Return a hook that also notes that its module was used."""

    def noting(module: nn.Module, given: tuple[Any, ...], output: Any) -> None:
        used.add(module)
        hook(module, given, output)

    return noting


def _term_hook(who: str) -> Hook:
    def hook(term: nn.Module, given: tuple[Any, ...], output: Any) -> None:
        if output is not None:
            _check_scalar(who, output, "a value")

    return hook


def _check_scalar(who: str, value: Any, what: str) -> None:
    if not isinstance(value, Tensor) or value.ndim:
        raise ComponentError(f"{who} returns {what} of {_described(value)}: it must be a scalar")


def _network_hook(who: str) -> Hook:
    def hook(network: nn.Module, given: tuple[Any, ...], output: Any) -> None:
        assert isinstance(network, Network)
        try:
            if isinstance(network, Generator):
                _check_fake(network, given, output)
            elif isinstance(network, Discriminator):
                _check_verdict(network, given[0], output)
        except ValueError as error:
            raise ComponentError(f"{who} {error}") from None

    return hook


def _augment_hook(who: str) -> Hook:
    def hook(augment: nn.Module, given: tuple[Any, ...], output: Any) -> None:
        if not isinstance(output, Tensor) or output.shape != given[0].shape:
            raise ComponentError(
                f"{who} returns {_described(output)} for clips of {list(given[0].shape)}"
            )

    return hook


def _check_fake(network: Generator, given: tuple[Any, ...], output: Any) -> None:
    noise, condition = given[:2]
    if not isinstance(output, Fake):
        raise ValueError(f"returns {_described(output)} instead of a Fake")
    video, spec = output.video, network.spec
    frames = condition["time"].shape[1] if "time" in condition else spec.frames
    rows = len(next(iter(noise.values()))) if noise else len(video)
    wanted = (rows, spec.channels, frames, spec.height, spec.width)
    if not isinstance(video, Tensor) or tuple(video.shape) != wanted:
        raise ValueError(f"returns a video of {_described(video)}, it should be {list(wanted)}")
    _check_numbers(network, video, "a video")
    largest = float(video.detach().abs().max())
    if LARGEST_PIXEL < largest < math.inf:  # what is not finite is told by the trainer
        raise ValueError(f"returns pixels up to {largest:.4g}: videos are in [-1, 1]")


def _check_verdict(network: Discriminator, video: Tensor, output: Any) -> None:
    if not isinstance(output, Verdict):
        raise ValueError(f"returns {_described(output)} instead of a Verdict")
    if not output.scores and not network.gives:
        raise ValueError("returns no scores")
    found = {*output.extras, *(["features"] if output.features else [])}
    if missing := sorted(network.gives - found):
        raise ValueError(f"returns no {missing[0]!r}, which it says that it gives")
    for scores in output.scores:
        if not isinstance(scores, Tensor) or not scores.ndim or len(scores) != len(video):
            raise ValueError(
                f"returns scores of {_described(scores)} for {len(video)} clips: the first "
                "dimension must count them"
            )
        _check_numbers(network, scores, "scores")


def _check_numbers(network: Network, tensor: Tensor, what: str) -> None:
    if not tensor.is_floating_point():
        raise ValueError(f"returns {what} of {tensor.dtype}, not of floating-point numbers")
    weight = next(network.parameters(), None)
    if weight is None:
        return
    if tensor.device != weight.device:
        raise ValueError(f"returns {what} on {tensor.device}, its weights are on {weight.device}")
    if (tensor.dtype == torch.float64) != (weight.dtype == torch.float64):
        raise ValueError(f"returns {what} of {tensor.dtype}, its weights are {weight.dtype}")


def _described(value: Any) -> str:
    return str(list(value.shape)) if isinstance(value, Tensor) else type(value).__name__


@torch.no_grad()
def try_sampling(generator: Generator, seed: int, who: str) -> None:
    """Make a clip before the first step: what can't be sampled should not be trained for hours.

    Raises ComponentError, which names the generator, its distribution and version.
    """
    weight = next(generator.parameters(), torch.zeros(()))
    try:
        drawn = generator.noise(1, keyed(seed, "try"), frames=None)
        fields = {f.name: _placeholder(f) for f in generator.spec.condition}
        noise, condition = (
            {name: to_like(part, weight) for name, part in given.items()}
            for given in (drawn, fields)
        )
        fake = generator(noise, condition, frames=None)
    except VidganError:
        raise
    except Exception as error:
        if explained(error):
            raise
        raise ComponentError(f"{who} can't be sampled: {one_line(error)}") from error
    try:
        _check_fake(generator, (noise, condition), fake)
    except ValueError as error:
        raise ComponentError(f"{who} {error}") from None


def _placeholder(field: Field) -> Tensor:
    """Return a field's value for one clip: zeros of its dtype."""
    dtype = torch.int64 if field.classes else torch.float32
    return torch.zeros((1, *field.shape), dtype=dtype)
