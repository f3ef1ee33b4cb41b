"""The interfaces of an evaluation: features of clips, and metrics on them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from torch import Tensor, nn

from vidgan_core.interfaces.dataset import DataSpec
from vidgan_core.interfaces.networks import Generator, Tensors

Better = Literal["lower", "higher", "real"]  # real: the nearer to what real clips score
ErrorBy = Literal["bootstrap", "halves", "own"]
Degradation = Literal[  # what `vidgan eval --sanity` does to real clips
    "noise",
    "blur",
    "jpeg",
    "colour",
    "frozen",
    "shuffled",
    "speed",
    "classes",
    "duplicates",
    "copies",
]


class Features(nn.Module, ABC):
    """Clips to vectors, for metrics. Frozen, and in the same version always the same function.

    The constructor takes the `DataSpec` and raises ShapeError for clips that it can't look at.
    `sensitive_to` names the degradations that move the vectors.
    """

    sensitive_to: ClassVar[frozenset[Degradation]] = frozenset()

    def __init__(self, spec: DataSpec) -> None:
        super().__init__()
        self.spec = spec

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """A hash of the weights and of every option that changes the vectors."""

    @abstractmethod
    def forward(self, video: Tensor) -> Tensor:
        """Map `video` (B, C, T, H, W) in [-1, 1] to (B, D): row i is a function of clip i alone."""

    if TYPE_CHECKING:

        def __call__(self, video: Tensor) -> Tensor:
            """Typed as `forward` is."""


@dataclass(frozen=True, slots=True)
class ClipSet:
    """Some clips as a metric gets them: N rows everywhere, in the same order.

    Clips with the same `group` are from one video or scene, and so no independent samples.

    The video of a metric that does not need it is on the meta device: a shape without content.
    """

    video: Tensor  # (N, C, T, H, W) uint8
    features: Tensor | None = None  # (N, D) float64, of the features that the metric asked for
    frame_features: Tensor | None = None  # (N, T, D) float32: those of each frame as a clip of one
    condition: Tensors = field(default_factory=dict)  # such as "class" (N,) int64
    group: Tensor | None = None  # (N,) int64; None: each clip is a sample of its own

    def __len__(self) -> int:
        return len(self.video)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a metric judges: generated clips, and real ones of which training has used none.

    `train` holds the clips of the training split, for a metric that `needs` it. Row i of `fake`
    belongs to row i of `real` for a metric that needs "pairs". `generator` is there for one that
    needs it and measures the network itself; `step` then takes one training step of its run,
    where that is known.
    """

    real: ClipSet
    fake: ClipSet
    train: ClipSet | None = None
    generator: Generator | None = None
    step: Callable[[], object] | None = None


class Metric(ABC):
    """Numbers about generated clips. A smaller set of them is less certain, not another number.

    `needs` is of video, features, frame-features, train, class, pairs, generator; the training
    clips come without video. `sensitive_to` names the degradations that make its numbers worse,
    where its features are sensitive to them too; a `distance` is zero where the distributions are
    the same. `error` is how the error of its numbers is found: from the spread over random "halves"
    of the clips (the delete-half jackknife, Shao & Wu 1989), which suits any metric; from
    "bootstrap" samples, for means alone: a clip that is drawn twice is its own neighbour and
    changes a distance; or it is the metric's "own". Clips of one `group` stay together.
    """

    better: ClassVar[Mapping[str, Better]]  # the numbers' names, and which way is better
    needs: ClassVar[frozenset[str]] = frozenset()
    least: ClassVar[int] = 2  # the fewest clips on each side that it can say anything about
    fast: ClassVar[bool] = True  # is it worth its time at every evaluation?
    distance: ClassVar[bool] = False
    sensitive_to: ClassVar[frozenset[Degradation]] = frozenset()
    error: ClassVar[ErrorBy] = "halves"

    @property
    def features(self) -> Mapping[str, Mapping[str, Any]]:
        """The features, with their options, that it is defined on alone; none: any will do."""
        return {}

    @property
    def conventions(self) -> Mapping[str, object]:
        """What its protocol names in addition to options that are not the default."""
        return {}

    @abstractmethod
    def measure(self, evidence: Evidence) -> Mapping[str, float]:
        """Return every number that `better` names: a pure function of the evidence.

        With an "own" error, also NAME_error for each NAME whose standard error is known.
        Raises UsageError for features that are not finite.
        """


class PairedMetric(Metric):
    """A metric of each generated clip and the clip that it should be.

    Of its values, one a pair, an evaluation takes the mean, its error (pairs of one group are drawn
    together), and the gain over other answers to the same conditions.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"video", "pairs"})
    least: ClassVar[int] = 1
    fast: ClassVar[bool] = False
    error: ClassVar[ErrorBy] = "bootstrap"

    @abstractmethod
    def values(self, evidence: Evidence) -> Mapping[str, Tensor]:
        """Return (N,) of each number that `better` names: value i is a function of pair i alone."""

    def measure(self, evidence: Evidence) -> Mapping[str, float]:
        """Return the means."""
        return {name: float(values.mean()) for name, values in self.values(evidence).items()}
