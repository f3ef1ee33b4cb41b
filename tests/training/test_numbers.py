"""NaN and infinity, wherever they come from, reach neither weights, averages nor the disk."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from conftest import BF16_TOO, REGISTRY, small
from torch import Tensor, nn

from vidgan_core.config.schema import RunConfig
from vidgan_core.errors import VidganError
from vidgan_core.interfaces import Callback, StepContext, Term, TrainingRun
from vidgan_core.plugins.registry import Registry
from vidgan_core.runs import checkpoint
from vidgan_core.runs.folder import RunDir
from vidgan_core.training.finite_check import DivergedError
from vidgan_core.training.run import Run

PLACES = ("data", "noise", "loss", "term", "gradient")
HIT = 2  # the step that is hit


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """Threads cost more than they save in networks of this size."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tiny(loss: str = "minimax", *settings: str) -> RunConfig:
    return small(
        "conv3d",
        loss,
        *("data.frames=4", "data.size=16", "generator.width=1", "discriminator.width=1"),
        *("data.batch=2", "generator.noise_size=4", "checkpoint.every=1", "steps=5", *settings),
    )


def begun(config: RunConfig, *callbacks: Callback) -> Run:
    run = Run(config, Registry.discover(), callbacks=callbacks)
    run.begin(RunDir.create(Path("run"), "run"))
    return run


class Fault:
    """Puts a value into one place of a run during chosen steps, and counts how often."""

    def __init__(self, run: Run, place: str, value: float, steps: Callable[[int], bool]) -> None:
        self.run, self.value, self.steps = run, value, steps
        self.landed = 0
        getattr(self, f"_{place}")()

    def spoil(self, tensor: Tensor) -> Tensor:
        """Change one element, if the step is to be hit."""
        if self.steps(self.run.step):
            self.landed += 1
            tensor = tensor.clone()
            tensor[tuple(size // 2 for size in tensor.shape)] = self.value
        return tensor

    def _data(self) -> None:
        batches = self.run.trainer._batches
        self.run.trainer._batches = lambda k: {
            n: self.spoil(t) if n == "video" else t for n, t in batches(k).items()
        }

    def _noise(self) -> None:
        generator = self.run.networks["generator"]
        draw = generator.noise
        generator.noise = lambda *a, **k: {  # type: ignore[method-assign]
            n: self.spoil(t) for n, t in draw(*a, **k).items()
        }

    def _loss(self) -> None:
        loss = self.run.game.parts.loss
        value = loss.generator
        loss.generator = lambda *a: self.spoil(value(*a))  # type: ignore[method-assign]

    def _term(self) -> None:
        fault = self

        class Spoiled(Term):
            player = "generator"

            def forward(self, play: StepContext) -> Tensor:
                return fault.spoil(play.fake.video.mean())

        game = self.run.trainer.phases[-1].objective.__self__  # type: ignore[attr-defined]
        from vidgan_core.interfaces.game import WeightedTerm

        game.terms = (*game.terms, WeightedTerm("spoiled", Spoiled()))

    def _gradient(self) -> None:
        weight = next(self.run.networks["discriminator"].parameters())
        weight.register_hook(self.spoil)


def everything(run: Run) -> Iterator[tuple[str, Tensor]]:
    """All tensors that outlive a step, in memory and on the disk."""
    modules: dict[str, nn.Module] = {
        "G": run.networks["generator"],
        "D": run.networks["discriminator"],
        "EMA": run.sampled,
    }
    for name, module in modules.items():
        yield from ((f"{name}.{n}", t) for n, t in module.state_dict().items())
    for name, optimizer in run.trainer.optimizers.items():
        for entries in optimizer.state.values():
            yield from ((f"{name}.{n}", t) for n, t in entries.items())
    for path in checkpoint.available(run.folder.checkpoints):
        saved = checkpoint.load(path)
        yield from ((f"{path.name}.{n}", t) for n, t in {**saved.model, **saved.train}.items())


@pytest.mark.parametrize("precision", BF16_TOO)
@pytest.mark.parametrize("loss", REGISTRY.names("loss"))
def test_no_place_lets_a_number_through_that_is_not_finite(
    loss: str, precision: str, record_property: Callable[[str, object], None]
) -> None:
    values = {"nan": math.nan, "inf": math.inf, "huge": 1e30}
    landed = Counter[str]()
    for place in PLACES:
        for name, value in values.items():
            if name == "huge" and place != "gradient":
                continue  # a finite number that squares to infinity in Adam
            run = Run(tiny(loss, f"trainer.precision={precision}"), Registry.discover())
            run.begin(RunDir.create(Path(f"{place}-{name}"), "run"))
            fault = Fault(run, place, value, lambda step: step == HIT)
            run.fit()
            assert fault.landed, f"{name} in {place} has missed"
            assert run.trainer.skipped == 1
            tensors = list(everything(run))
            assert len(tensors) > 100
            assert not [n for n, t in tensors if not torch.isfinite(t).all()]
            landed[place] += 1
    reported = ", ".join(f"{n} in {place}" for place, n in landed.items())
    record_property(f"NaN, Inf: {loss}, {precision}", f"{reported}: 0 non-finite values afterwards")


def test_a_statistic_that_overflows_alone_is_caught() -> None:
    """A layer whose input is huge has finite outputs and an infinite running variance."""
    run = begun(tiny())
    norm = next(m for m in run.networks["discriminator"].modules() if isinstance(m, nn.BatchNorm3d))
    clean = norm.running_var.clone()
    norm.register_forward_pre_hook(lambda _, inputs: (inputs[0] * 1e25,) if run.step == 0 else None)
    assert run.trainer.step() is None
    assert torch.equal(norm.running_var, clean)
    assert run.trainer.step() is not None


def test_the_run_goes_back_with_other_noise_and_on(caplog: pytest.LogCaptureFixture) -> None:
    """Bad steps until the noise is another: ten are skipped, then the run goes back and ends."""
    config = tiny("hinge", "steps=20", "checkpoint.every=2")
    observed: list[int] = []
    run = begun(config, Watch(observed))
    fault = Fault(run, "noise", math.nan, lambda step: step >= 5 and run.trainer.noise_stream == 0)
    assert run.fit()
    assert fault.landed >= 10
    assert run.trainer.noise_stream == 1
    assert observed[:5] == [1, 2, 3, 4, 5]
    assert observed[14:16] == [5, 6], "it goes on after step 4, the last that was saved"
    assert "going back to step 4 with other noise (1 of 3)" in caplog.text
    again = Run(config, Registry.discover())
    again.resume(run.folder, checkpoint.newest(run.folder.checkpoints))
    assert again.trainer.noise_stream == 1


class Watch(Callback):
    """Notes the steps of a run."""

    def __init__(self, observed: list[int]) -> None:
        self.observed = observed

    def step_end(self, run: TrainingRun, scalars: dict[str, float] | None) -> None:
        self.observed.append(run.step)


@pytest.mark.parametrize(
    ("place", "finding"),
    [
        ("data", "the batch's 'video' holds numbers that are not finite"),
        ("noise", "its 'adversarial' is nan, first in the output of generator.layers.0 (ConvTra"),
        ("loss", "could not update the generator with finite numbers: its 'adversarial' is nan"),
        ("term", "its 'spoiled' is nan"),
        ("gradient", "first in the gradient of discriminator.layers.0.weight"),
    ],
)
def test_after_three_times_the_run_ends_and_says_where_it_starts(place: str, finding: str) -> None:
    run = begun(tiny("hinge", "steps=100", "trainer.max_skipped=3"))
    Fault(run, place, math.nan, lambda step: step >= 3)
    with pytest.raises(VidganError) as error:
        run.fit()
    message = str(error.value)
    assert finding in message
    assert "loss 'hinge'" in message
    assert "went back 3 times in vain" in message
    assert "optimizer.lr below 0.0002" in message
    assert run.trainer.noise_stream == 3
    assert not [n for n, t in everything(run) if not torch.isfinite(t).all()]


def test_without_a_checkpoint_there_is_nothing_to_go_back_to() -> None:
    run = begun(tiny("minimax", "steps=100", "checkpoint.every=50"))
    Fault(run, "term", math.inf, lambda step: True)
    with pytest.raises(VidganError, match=r"10 steps in a row .* no checkpoint to go back to"):
        run.fit()


def test_what_is_not_finite_is_never_saved() -> None:
    run = begun(tiny())
    run.fit(lambda: run.step == 2)
    with torch.no_grad():
        next(run.networks["generator"].parameters()).view(-1)[0] = math.nan
    with pytest.raises(DivergedError, match=r"step 2: generator\.layers\.0\.weight"):
        run._save()
    assert [p.name for p in checkpoint.available(run.folder.checkpoints)][-1] == "step-00000002"


def test_no_checkpoint_is_made_of_a_state_that_may_be_bad_unless_the_run_is_stopped() -> None:
    run = begun(tiny("minimax", "steps=100", "checkpoint.keep=1"))
    Fault(run, "term", math.nan, lambda step: step >= 3)
    run.fit(lambda: run.step == 6)
    kept = checkpoint.available(run.folder.checkpoints)
    assert [checkpoint.step_of(p) for p in kept] == [3, 6], "the healthy one is not dropped"
    again = Run(run.config, Registry.discover())
    again.resume(run.folder, checkpoint.newest(run.folder.checkpoints))
    assert again.trainer.skipped_in_a_row == again.trainer.skipped == 3
