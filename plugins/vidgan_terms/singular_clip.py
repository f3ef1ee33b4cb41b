"""Singular value clipping, Saito et al. 2017, "Temporal Generative Adversarial Nets", section 4.

A critic whose layers have no singular value above one is 1-Lipschitz.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vidgan_core.interfaces import Term

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class SingularClip(Term):
    """After an update: singular values of weights <- min(1, s), BatchNorm's gain <= deviation.

    Weights are taken as matrices (outputs, inputs * kernel). BatchNorm multiplies by gain /
    deviation, so its gain is held in [0.01, 1] times the running deviation, as in the authors'
    code. The paper clips every 5 updates: `every = 5`.
    """

    player = "discriminator"

    def after_update(self, network: nn.Module) -> None:
        """Clip every layer of the critic in place."""
        for module in network.modules():
            if isinstance(module, LAYERS):
                module.weight.copy_(clipped(module.weight))
            elif isinstance(module, NORMS) and module.running_var is not None and module.affine:
                deviation = (module.running_var + module.eps).sqrt()
                module.weight.clamp_(0.01 * deviation, deviation)


def clipped(weight: Tensor) -> Tensor:
    """Return the weight with its singular values clipped to one.

    With W W^T = U S^2 U^T, clipping is U min(1, 1/S) U^T W: the eigenvectors of a small matrix do,
    and the long right singular vectors are never formed.
    """
    matrix = weight.flatten(1).double()
    squares, vectors = torch.linalg.eigh(matrix @ matrix.T)
    scale = squares.clamp_min(1).rsqrt()  # min(1, 1/s), and no division by zero
    result: Tensor = (vectors * scale) @ (vectors.T @ matrix)
    return result.to(weight.dtype).view_as(weight)
