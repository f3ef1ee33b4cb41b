"""A task that is right but for its import of torch."""

from __future__ import annotations

from typing import Any

import torch
from wrong.tasks import RightTask


class WithTorch(RightTask):
    def low(self, video: Any, key: int) -> Any:
        return torch.from_numpy(super().low(video, key).copy()).numpy()
