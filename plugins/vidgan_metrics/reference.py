"""Generated clips against the clips that they should be: PSNR, SSIM and MS-SSIM.

All are of the luma (ITU-R BT.601) in [0, 255], a number a frame, averaged over a clip's frames.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge, doc
from torch import Tensor

from vidgan_core.errors import ShapeError
from vidgan_core.interfaces import Better, Degradation, Evidence, PairedMetric
from vidgan_metrics.similarity import frames_of, ms_ssim, scales_of
from vidgan_metrics.skvideo_compat import load

EXACT = 100.0  # dB, what a frame without an error is given


class Reference(PairedMetric):
    """A measure of two frames, averaged over the frames of each pair of clips."""

    sensitive_to: ClassVar[frozenset[Degradation]] = frozenset(
        {"noise", "blur", "jpeg", "frozen", "shuffled"}
    )

    def __init__(
        self,
        *,
        border: Annotated[int, Ge(0), doc("pixels along every edge that are not measured")] = 0,
    ) -> None:
        self.border = border

    @property
    def conventions(self) -> Mapping[str, object]:
        """What papers differ in: the luma's range and the border."""
        return {"luma": "full-range", "border": self.border}

    @abstractmethod
    def frames(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the measure (T,) of frames (T, H, W)."""

    def values(self, evidence: Evidence) -> Mapping[str, Tensor]:
        """Return the mean over the frames of each pair."""
        (name,) = self.better
        pairs = zip(evidence.real.video, evidence.fake.video, strict=True)
        found = [self.frames(self._inner(real), self._inner(fake)).mean() for real, fake in pairs]
        return {name: torch.stack(found)}

    def _inner(self, clip: Tensor) -> Tensor:
        """Return the luma (T, H, W) of a clip (C, T, H, W) without its border."""
        height, width = (side - self.border for side in clip.shape[-2:])
        if min(height, width) <= self.border:
            raise ShapeError(f"a border of {self.border} pixels leaves nothing of the frames")
        return frames_of(clip)[:, self.border : height, self.border : width]


class Psnr(Reference):
    """10 log10(255^2 / MSE) in dB; a frame without an error counts as 100 dB."""

    better: ClassVar[Mapping[str, Better]] = {"psnr": "higher"}

    def frames(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return scikit-video's measure."""
        error = torch.from_numpy(load("mse")(real.numpy(), fake.numpy()))
        return (10 * (255**2 / error).log10()).clamp(max=EXACT)


class Ssim(Reference):
    """SSIM, Wang et al. 2004: an 11x11 Gaussian window, whole windows alone, at the clips' size.

    scikit-video's, which unless told otherwise first scales frames of more than 384 pixels down.
    """

    better: ClassVar[Mapping[str, Better]] = {"ssim": "higher"}

    def frames(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return scikit-video's measure."""
        scales_of(*real.shape[-2:])  # refuses what is smaller than the window
        return torch.from_numpy(load("ssim")(real.numpy(), fake.numpy(), scaleFix=False))


class MsSsim(Reference):
    """MS-SSIM, Wang et al. 2003, at as many scales as hold an 11x11 window: five from 176 pixels.

    With fewer the weights of the first ones are scaled to a sum of one, so that numbers of
    different sizes can't be compared. scikit-video's own wants 176x176 pixels or more.
    """

    better: ClassVar[Mapping[str, Better]] = {"ms-ssim": "higher"}

    def frames(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the measure."""
        return ms_ssim(real, fake)
