"""What is checked of generators and discriminators alike."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

import pytest
import safetensors.torch
import torch
from torch import Tensor

from vidgan_core.device import BF16, fast_bf16
from vidgan_core.errors import ShapeError
from vidgan_core.interfaces import DataSpec, Field, Network, Tensors
from vidgan_core.testing.inputs import (
    CLASSES,
    drawn_values,
    sample_fields,
    shaken,
    usual_spec,
)
from vidgan_core.testing.suite import Subject, Suite

CLIPS = 3
DRAWN = 7  # torch's default generator is seeded with it before each forward pass


class NetworkSuite(Suite):
    """`spec` is the clip that most checks use, `shapes` (T, H, W) are to be made or refused."""

    spec: ClassVar[DataSpec] = DataSpec(frames=8, height=32, width=32)
    shapes: ClassVar[tuple[tuple[int, int, int], ...]] = (
        (12, 48, 32),
        (8, 32, 64),
        (8, 33, 32),
        (7, 32, 32),
        (1, 32, 32),
        (8, 8, 8),
    )
    may_draw: ClassVar[bool] = False  # from torch's default generator in eval mode

    @abstractmethod
    def inputs(self, network: Network, clips: int = CLIPS) -> Tensors:
        """Return what the network reads: the same for the same network."""

    @abstractmethod
    def outputs(self, network: Network, inputs: Tensors, condition: Tensors) -> Tensor:
        """Run the network; return what it gives as one tensor (B, anything)."""

    @abstractmethod
    def check_shape(self, network: Network) -> None:
        """Assert that what the network gives has the shape that belongs to its spec."""

    def run(self, network: Network, inputs: Tensors, condition: Tensors | None = None) -> Tensor:
        """Return `outputs` with torch's default generator seeded, inputs that may be changed."""
        torch.manual_seed(DRAWN)
        copies = {name: tensor.clone() for name, tensor in inputs.items()}
        return self.outputs(network, copies, condition or {})

    def network(self, subject: Subject, spec: DataSpec | None = None, *, seed: int = 0) -> Network:
        """Build the network, in training mode; where `self.spec` won't do, for its usual clip."""
        network: Network
        try:
            network = self.make(subject, self.given(subject, spec or self.spec), seed=seed)
        except ShapeError:
            if spec:
                raise
            usual = self.given(subject, usual_spec(subject.component))
            network = self.make(subject, usual, seed=seed)
        return network.train()

    def given(self, subject: Subject, spec: DataSpec) -> DataSpec:
        """Return a spec with the fields that the network can't be built without."""
        return spec

    def networks(self, subject: Subject) -> Iterator[Network]:
        """Build the network for all of `shapes` that it does not refuse."""
        for shape in self.shapes:
            try:
                network = self.network(subject, DataSpec(3, *shape))
            except Exception:
                continue  # how it refuses is another check's matter
            yield network

    def test_shape(self, subject: Subject) -> None:
        """What it accepts, it can do."""
        self.check_shape(self.network(subject))
        for network in self.networks(subject):
            self.check_shape(network)

    def test_refusal(self, subject: Subject) -> None:
        """A shape that it can't do is a ShapeError that says which ones it can."""
        for shape in self.shapes:
            try:
                self.network(subject, DataSpec(3, *shape))
            except ShapeError as error:
                message = str(error)
                assert "must be" in message, message
                assert any(c.isdecimal() for c in message.partition("must be")[2]), message

    def test_dtype(self, subject: Subject) -> None:
        """Numbers go out as they come in, float32 or float64."""
        for dtype in (torch.float32, torch.float64):
            network = self.network(subject).to(dtype)
            inputs = {name: t.to(dtype) for name, t in self.inputs(network).items()}
            assert self.run(network, inputs).dtype == dtype

    def test_gradients(self, subject: Subject) -> None:
        """Every parameter that can be trained gets a gradient."""
        network = shaken(self.network(subject))
        self.run(network, self.inputs(network)).square().sum().backward()  # type: ignore[no-untyped-call]
        for name, parameter in network.named_parameters():
            if parameter.requires_grad:
                assert parameter.grad is not None, f"{name} gets no gradient"
                assert parameter.grad.isfinite().all(), f"{name}'s gradient is not finite"
                assert parameter.grad.any(), f"{name}'s gradient is zero"

    def test_any_batch(self, subject: Subject) -> None:
        """In eval mode a clip does not depend on the batch that it is in."""
        network = self.network(subject).eval()
        inputs = self.inputs(network)
        whole = self.run(network, inputs)
        parts = [
            self.run(network, {name: t[i : i + 1] for name, t in inputs.items()})
            for i in range(CLIPS)
        ]
        torch.testing.assert_close(torch.cat(parts), whole, rtol=1e-4, atol=1e-5)

    def test_modes(self, subject: Subject) -> None:
        """In eval mode nothing changes, nothing is random if it should not; train() leads back."""
        network = self.network(subject)
        inputs = self.inputs(network)
        network.eval()
        before = {name: t.clone() for name, t in network.state_dict().items()}
        assert not self.draws(network, inputs) or self.may_draw, "eval mode is random"
        for name, tensor in network.state_dict().items():
            assert torch.equal(tensor, before[name]), f"eval mode changes {name}"
        assert all(module.training for module in network.train().modules())

    def draws(self, network: Network, inputs: Tensors) -> bool:
        """Say whether what it gives depends on torch's default generator."""
        with torch.random.fork_rng(devices=[]):
            results = []
            for seed in (1, 2):
                torch.manual_seed(seed)
                copies = {name: tensor.clone() for name, tensor in inputs.items()}
                results.append(self.outputs(network, copies, {}))
        return not torch.equal(*results)

    def test_safetensors(self, subject: Subject) -> None:
        """Its state in a file is all that makes it what it is."""
        network, other = self.network(subject), self.network(subject, seed=1)
        inputs = self.inputs(network)
        self.run(network, inputs)  # a forward pass in training mode moves BatchNorm's statistics
        saved = {name: t.contiguous().clone() for name, t in network.state_dict().items()}
        other.load_state_dict(safetensors.torch.load(safetensors.torch.save(saved)))
        assert torch.equal(self.run(network.eval(), inputs), self.run(other.eval(), inputs))

    def test_copy(self, subject: Subject) -> None:
        """It can be copied, as averaging its weights demands."""
        network = self.network(subject).eval()
        inputs = self.inputs(network)
        assert torch.equal(self.run(copy.deepcopy(network), inputs), self.run(network, inputs))

    def test_bf16(self, subject: Subject) -> None:
        """Under autocast it gives about the same."""
        if not fast_bf16(torch.device("cpu")):
            pytest.skip("this processor has no bf16 instructions")
        network = self.network(subject).eval()
        inputs = self.inputs(network)
        exact = self.run(network, inputs)
        with BF16.autocast(torch.device("cpu")):
            rough = self.run(network, inputs).float()
        error = (rough - exact).square().mean().sqrt() / exact.square().mean().sqrt()
        assert error < 0.1, f"off by {error:.0%} in bfloat16"

    def test_without_memory(self, subject: Subject) -> None:
        """It can be built on the meta device, as --dry-run does."""
        with torch.device("meta"):
            network = self.network(subject)
        assert all(p.is_meta for p in network.parameters())

    def test_labels(self, subject: Subject) -> None:
        """Where it takes class labels, they matter, and every parameter gets a gradient."""
        if "class" not in subject.load().takes:
            pytest.skip("takes no class labels")
        self.check_field(subject, Field("class", classes=CLASSES))

    def test_fields(self, subject: Subject) -> None:
        """Every field of a kind that it takes matters, and every parameter gets a gradient."""
        needed = {f.kind for f in self.given(subject, self.spec).condition}
        kinds = subject.load().takes - needed  # a second field of such a kind is another matter
        taken = [f for f in sample_fields(self.spec) if f.kind in kinds]
        if not taken:
            pytest.skip("takes no fields by their kind")
        for field in taken:
            self.check_field(subject, field)

    def check_field(self, subject: Subject, field: Field) -> None:
        """Assert that the network is conditioned on a field."""
        spec = replace(self.spec, condition=(field,))
        network = shaken(self.network(subject, spec))
        inputs = self.inputs(network, CLASSES)
        values = torch.arange(CLASSES) if field.kind == "label" else drawn_values(field, CLASSES)
        condition = {field.name: values}
        self.run(network, inputs, condition).square().sum().backward()  # type: ignore[no-untyped-call]
        unused = [n for n, p in network.named_parameters() if p.requires_grad and p.grad is None]
        assert not unused
        network.eval()
        both = ({field.name: rows} for rows in (values, values.flip(0)))
        given, others = (self.run(network, inputs, condition) for condition in both)
        assert not torch.equal(given, others), f"the {field.kind} makes no difference"
