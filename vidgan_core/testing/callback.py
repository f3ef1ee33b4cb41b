"""The conformance suite of callbacks."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from vidgan_core.errors import ComponentError, UsageError
from vidgan_core.interfaces import Callback, TrainingRun
from vidgan_core.plugins.kinds import Kind
from vidgan_core.runs.folder import RunDir
from vidgan_core.testing.small_run import different, make_run, new_folder, trained
from vidgan_core.testing.suite import Subject, Suite
from vidgan_core.training.run import Run

STEPS = 5
METHODS = (
    *("fit_start", "step_end", "after_step", "checkpoint_saved", "samples_written", "evaluated"),
    *("fit_end", "crashed"),
)


class Spy(Callback):
    """Hands every call on to a callback and writes down what came of it."""

    def __init__(self, callback: Callback) -> None:
        self.order = callback.order
        self.calls: list[str] = []
        self.given: list[dict[str, float]] = []
        self.added: list[dict[str, float]] = []
        self.errors: list[Exception] = []
        self._callback = callback
        for method in METHODS:
            setattr(self, method, self._handed_on(method))

    def _handed_on(self, method: str) -> Callable[..., None]:
        def call(run: TrainingRun, **facts: Any) -> None:
            self.calls.append(method)
            scalars = facts.get("scalars")
            if scalars is not None:
                self.given.append(dict(scalars))
            try:
                getattr(self._callback, method)(run, **facts)
            except Exception as error:  # a run hides what is raised after its own end
                self.errors.append(error)
                raise
            if scalars is not None:
                self.added.append(dict(scalars))

        return call

    def close(self) -> None:
        """Close the callback."""
        self.calls.append("close")
        self._callback.close()


class Events(Callback):
    """Reports what else may happen in a run, and ends it with an error if it is told to."""

    order = -(10**6)

    def __init__(self, crash_at: int = 0) -> None:
        self.crash_at = crash_at

    def after_step(self, run: TrainingRun) -> None:
        """Report pictures and an evaluation that there were none of; crash."""
        run.report("samples_written", paths=[])
        run.report("evaluated", results=[])
        if run.step == self.crash_at:
            raise CrashError("a crash of the suite's own")


class CrashError(Exception):
    """What a run of the suite is ended with."""


class CallbackSuite(Suite):
    """Checks of a callback, in small runs with everything else off.

    `settings` are further values of the configuration, as for --set.
    """

    kind: ClassVar[Kind] = "callback"
    networks: ClassVar[Mapping[str, object]] = {"width": 2}
    settings: ClassVar[Sequence[str]] = ()

    def spy(self, subject: Subject) -> Spy:
        """Make the callback; skip the check where it is missing something."""
        try:
            return Spy(self.make(subject))
        except (UsageError, ComponentError) as error:
            pytest.skip(str(error))

    def run(self, *callbacks: Callback, steps: int = STEPS) -> Run:
        """Make a run that these callbacks watch."""
        settings = (f"steps={steps}", "checkpoint.every=2", *self.settings)
        return make_run((), settings, self.networks, callbacks)

    def watched(
        self, subject: Subject, folder: Path, *stops: int
    ) -> tuple[list[Run], list[Spy], dict[str, Tensor]]:
        """Train to the steps `stops` in turn; return runs, their callbacks, and all tensors."""
        spies: list[Spy] = []

        def make(steps: int) -> Run:
            spies.append(self.spy(subject))
            return self.run(Events(), spies[-1], steps=steps)

        try:
            runs, tensors = trained(make, folder, *stops)
        except (UsageError, ComponentError) as error:
            if spies[-1].calls[-3:] == ["fit_start", "crashed", "close"]:
                pytest.skip(f"it refuses: {error}")
            raise
        return runs, spies, tensors

    def test_run(self, subject: Subject) -> None:
        """A run goes through with it, from its beginning and resumed."""
        with new_folder() as folder:
            _, spies, _ = self.watched(subject, folder, 2, STEPS)
        for spy in spies:
            assert {"fit_start", "step_end", "after_step", "fit_end"} <= set(spy.calls)
            assert spy.calls[-1] == "close"

    def test_changes_nothing(self, subject: Subject) -> None:
        """The run is the same as without it, to the last bit."""
        with new_folder() as folder, new_folder() as other:
            _, _, tensors = self.watched(subject, folder, STEPS)
            _, expected = trained(lambda steps: self.run(Events(), steps=steps), other, STEPS)
        wrong = different(tensors, expected)
        assert not wrong, f"the run ends with other numbers: {', '.join(wrong[:3])}"

    def test_leaves_the_process_alone(self, subject: Subject) -> None:
        """Torch's settings and default generator are afterwards what they were before."""
        found = []
        for watched in (False, True):
            torch.manual_seed(0)
            before = settings_of_torch()
            with new_folder() as folder:
                if watched:
                    self.watched(subject, folder, 2)
                else:
                    trained(lambda steps: self.run(Events(), steps=steps), folder, 2)
            found.append((before, settings_of_torch()))
        (_, without), (_, with_it) = found
        changed = [name for name in without if without[name] != with_it[name]]
        restore_torch(found[0][0])
        assert not changed, f"it changes torch's {', '.join(changed)}"

    def test_scalars(self, subject: Subject) -> None:
        """What it adds to the scalars are numbers; those that were there stay as they are."""
        with new_folder() as folder:
            _, (spy,), _ = self.watched(subject, folder, 2)
        for before, after in zip(spy.given, spy.added, strict=True):
            for name, value in after.items():
                assert isinstance(name, str)
                assert isinstance(value, int | float), f"{name} is a {type(value).__name__}"
            kept = {name: after.get(name) for name in before}
            assert repr(kept) == repr(before), "it changes a scalar of the run"

    def test_crash(self, subject: Subject) -> None:
        """It bears a run that ends with an error: it is told, closed, and another run may begin."""
        for _ in range(2):
            spy = self.spy(subject)
            run = self.run(Events(crash_at=STEPS - 1), spy)
            with new_folder() as folder:
                run.begin(RunDir.create(folder, "run"))
                try:
                    run.fit()
                except CrashError:
                    pass
                except (UsageError, ComponentError) as error:
                    pytest.skip(f"it refuses: {error}")
            assert not spy.errors, f"it fails with {spy.errors[0]!r}"
            assert spy.calls[-2:] == ["crashed", "close"]

    def test_close(self, subject: Subject) -> None:
        """It can be closed when nothing has happened yet: a run may end before it begins."""
        self.spy(subject).close()

    def test_no_pickle(self, subject: Subject) -> None:
        """None of the files that it writes is a pickle, which runs code where it is read."""
        with new_folder() as folder:
            self.watched(subject, folder, 2)
            pickles = [str(p.relative_to(folder)) for p in folder.rglob("*") if is_pickle(p)]
        assert not pickles, f"{', '.join(pickles)} is a pickle"


def settings_of_torch() -> dict[str, object]:
    """Return what a callback has no business with, by what it is called."""
    return {
        "default generator": torch.random.get_rng_state().tolist(),
        "number of threads": torch.get_num_threads(),
        "default dtype": torch.get_default_dtype(),
        "gradient mode": torch.is_grad_enabled(),
        "choice of algorithms": torch.are_deterministic_algorithms_enabled(),
        "choice of denormal numbers": bool(torch.tensor(1e-40) * 1),
    }


def restore_torch(settings: Mapping[str, Any]) -> None:
    """Put back what can be."""
    torch.set_num_threads(settings["number of threads"])
    torch.set_default_dtype(settings["default dtype"])
    torch.set_grad_enabled(settings["gradient mode"])
    torch.use_deterministic_algorithms(settings["choice of algorithms"])


def is_pickle(path: Path) -> bool:
    """Does a file hold a pickle, as it is or in an archive of torch's?"""
    if not path.is_file():
        return False
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(".pkl") for name in archive.namelist())
    start = path.read_bytes()[:2]
    return len(start) == 2 and start[0] == 0x80 and 2 <= start[1] <= 5
