"""Several processes that train one run: who they are, what they share and how they agree.

torchrun starts them, or `vidgan run --nproc`. Each takes its part of every batch and all of them
hold the same weights: what they learn from their parts is averaged once a phase (`AllReduce`), and
every decision is made on averaged numbers.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar
from uuid import uuid4

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed import (  # type: ignore[attr-defined]
    FileStore,
    PrefixStore,
    Store,
    rendezvous,
)

from vidgan_core.errors import Exit, StalledError, VidganError
from vidgan_core.lifeline import end_with_parent
from vidgan_core.training.distributed.all_reduce import AllReduce
from vidgan_core.training.distributed.env import LIFELINE, MEETING, local_rank, processes

T = TypeVar("T")
PATIENCE = timedelta(hours=1)  # of the others, while the leader evaluates or waits for its disk


class ProcessGroup:
    """The processes of a run, this one among them; the only one unless told otherwise.

    The first one leads: it alone writes. Each method that is about all of them has to be called
    by all of them, in the same order.
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank = rank
        self.size = size
        self._all_reduce = AllReduce(rank, size, self.gather)
        self.stalled = False  # do the data of this process no longer come?
        self._wish = False
        self._agreed = False

    @property
    def leads(self) -> bool:
        """Is this the process that writes?"""
        return self.rank == 0

    def stop_requested(self, wish: bool) -> bool:
        """Does one of them want to stop, as far as all of them know it since the last `reduce`?"""
        self._wish = wish
        return self._agreed if self.size > 1 else wish

    @torch.no_grad()
    def reduce(
        self,
        parameters: Sequence[nn.Parameter],
        statistics: Sequence[Tensor],
        before: Sequence[Tensor],
        scalars: Mapping[str, Tensor],
    ) -> dict[str, Tensor]:
        """Average gradients, what statistics moved by since `before`, and scalars, over all.

        Return the scalars. A parameter without a gradient counts as zero where another process
        has one, and stays without where nobody has. A statistic that nobody moves keeps its bits.
        Raises StalledError in all of them if one is `stalled`.
        """
        if self.size == 1:
            return dict(scalars)
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        moves = [now - then for now, then in zip(statistics, before, strict=True)]
        had = [p.grad is not None for p in parameters]
        flags = torch.tensor([*had, self._wish, self.stalled])
        few = torch.cat([v.reshape(-1).to(parameters[0]) for v in (*scalars.values(), flags)])
        self._all_reduce.average([*gradients, *moves], few)
        *means, flags = torch.split(few, [v.numel() for v in (*scalars.values(), flags)])
        *shares, wish, stalled = flags.tolist()
        if stalled:
            raise StalledError("the data of one of the processes do not come")
        for now, then, move in zip(statistics, before, moves, strict=True):
            # Not as autograd would see it: a graph that is kept until the next phase holds
            # BatchNorm's statistics, and reads no number of them.
            now.data.copy_(then + move)
        for parameter, gradient, share in zip(parameters, gradients, shares, strict=True):
            if share:
                parameter.grad = gradient
        self._agreed = wish > 0
        named = zip(scalars.items(), means, strict=True)
        return {name: mean.view(value.shape) for (name, value), mean in named}

    def broadcast(self, value: Any, of: int = 0) -> Any:
        """Return what one process, rank 0 by default, has as `value`: any JSON."""
        if self.size == 1:
            return value
        text = bytearray(json.dumps(value).encode() if self.rank == of else b"")
        length = torch.tensor([len(text)])
        dist.broadcast(length, of)
        content = torch.frombuffer(text or bytearray(int(length)), dtype=torch.uint8)
        dist.broadcast(content, of)
        return json.loads(content.numpy().tobytes())

    def gather(self, value: T) -> list[T]:
        """Return what each process has as `value`: any JSON."""
        return [self.broadcast(value, rank) for rank in range(self.size)]

    def run_on_rank0(self, work: Callable[[], T]) -> T | None:
        """Do something in the leader alone, and return its result there, None elsewhere.

        If that fails all of them end: the leader with the exception, the others silently.
        """
        failed, result = None, None
        if self.leads:
            try:
                result = work()
            except Exception as error:
                failed = error
        code = getattr(failed, "code", Exit.FAILED) if failed else Exit.OK
        code = self.broadcast(int(code))
        if failed:
            raise failed
        if code:
            raise SystemExit(code)
        return result

    def share(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the leader's tensors; what the others give is ignored."""
        named = [(n, list(t.shape), str(t.dtype)[6:]) for n, t in tensors.items()]
        received: dict[str, Tensor] = {}
        for name, shape, dtype in self.broadcast(named):
            content = torch.empty(shape, dtype=getattr(torch, dtype))
            if self.leads:
                content.copy_(tensors[name])
            dist.broadcast(content.view(-1).view(torch.uint8), 0)
            received[name] = content
        return received


SINGLE = ProcessGroup()


def init_process_group() -> ProcessGroup:
    """Return the processes that torchrun or --nproc has started, once all of them are there.

    They talk over gloo, and over nccl about what lies on a GPU, of which each has its own.
    """
    if processes() == 1:
        return SINGLE
    if os.environ.get(LIFELINE):
        end_with_parent()
    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(local_rank())
        backend = "cpu:gloo,cuda:nccl"
    try:
        place, rank, size = _place()
        dist.init_process_group(backend, timeout=PATIENCE, store=place, rank=rank, world_size=size)
    except (ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise VidganError(f"can't meet the run's other processes: {reason}") from None
    return ProcessGroup(rank, size)


def _place() -> tuple[Store, int, int]:
    """Return where the processes find one another, which of them this is, and how many there are.

    Those of --nproc meet in a file of a folder that is the user's alone; torchrun's as it says.
    """
    if meeting := os.environ.get(MEETING):
        rank, size = int(os.environ["RANK"]), processes()
        store = FileStore(meeting, size)
        store.set_timeout(PATIENCE)
        return store, rank, size
    store, rank, size = next(rendezvous("env://", timeout=PATIENCE))
    return _fresh(store, rank, size), rank, size


def _fresh(store: Store, rank: int, size: int) -> PrefixStore:
    """Return a part of the store that is these processes' alone.

    torchrun keeps its store when it starts processes again, so the addresses of those that are
    gone are still in it, and the number of the attempt is not the same on all machines. The first
    process names a new part; another one knows that the name is not an old one by an answer.
    """
    own = uuid4().hex
    if rank == 0:
        store.set("vidgan", own)
        for other in range(1, size):
            store.set(f"{own}/{store.get(f'{own}/{other}').decode()}", "")
        return PrefixStore(own, store)
    while True:
        name = store.get("vidgan").decode()
        store.set(f"{name}/{rank}", own)
        try:
            store.wait([f"{name}/{own}"], timedelta(seconds=2))
        except dist.DistStoreError:
            continue  # nobody is there who would answer: it was an old one, or others are late
        return PrefixStore(name, store)
