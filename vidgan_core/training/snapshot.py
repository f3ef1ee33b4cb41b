"""A copy of what a step changes, so that a step that fails leaves no trace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


class StepSnapshot:
    """Copies of buffers, and of the weights and moments of networks, to restore bit for bit.

    It takes as much memory as they do, and the time to copy them. Optimizers must change their
    moments in place, as Adam does.
    """

    def __init__(
        self,
        buffers: Sequence[Tensor],
        networks: Mapping[str, Sequence[nn.Parameter]],
        optimizers: Mapping[str, Optimizer],
    ) -> None:
        self._buffers = list(buffers)
        self._weights = [p for name in networks for p in networks[name]]
        self._optimizers = [optimizers[name] for name in networks]
        self._found: Sequence[tuple[object, int]] = ()
        self._live: list[Tensor] = []
        self._kept: list[Tensor] = []

    @property
    def buffers(self) -> list[Tensor]:
        """The buffers as they were when they were saved."""
        return self._kept[: len(self._buffers)]

    @torch.no_grad()
    def save(self) -> None:
        """Copy everything as it is now."""
        # Looking for the moments takes longer than copying small ones: they are looked for when
        # a state was loaded, and when the first update has made some.
        found = [(o.state, len(o.state)) for o in self._optimizers]
        if not self._kept or not _same(found, self._found):
            self._found = found
            self._live = [*self._buffers, *self._weights, *self._moments()]
            self._kept = [tensor.clone() for tensor in self._live]
        elif self._live:
            torch._foreach_copy_(self._kept, self._live)

    @torch.no_grad()
    def restore(self) -> None:
        """Make everything what it was when it was saved."""
        for optimizer, (_, count) in zip(self._optimizers, self._found, strict=True):
            for parameter in list(optimizer.state)[count:]:  # there were no moments for it
                del optimizer.state[parameter]
        if self._live:
            torch._foreach_copy_(self._live, self._kept)

    def _moments(self) -> list[Tensor]:
        states = [entries for o in self._optimizers for entries in o.state.values()]
        return [m for entries in states for m in entries.values() if isinstance(m, Tensor)]


def _same(first: Sequence[tuple[object, int]], second: Sequence[tuple[object, int]]) -> bool:
    """Are these the same states (not equal ones), of the same size?"""
    return all(a is b and m == n for (a, m), (b, n) in zip(first, second, strict=True))
