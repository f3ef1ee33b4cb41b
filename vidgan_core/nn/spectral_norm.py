"""Spectral normalisation of any layer or network, Miyato et al. 2018."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils.parametrize import is_parametrized, register_parametrization

TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, *TRANSPOSED)
WARM_UP = 15  # power iterations at the start, as in torch's own parametrization


class SpectralNorm(nn.Module):
    """W / s(W), with s the largest singular value of W as a matrix of its outputs: algorithm 1.

    The left singular vector is a buffer; each forward pass in training mode brings it nearer by a
    power iteration. Torch's own runs them on the meta device too, a quarter of a second a layer.
    """

    u: Tensor

    def __init__(self, weight: Tensor, outputs: int = 0) -> None:
        super().__init__()
        self.outputs = outputs  # the dimension of the weight that counts them
        size = weight.shape[outputs]
        u = torch.randn(size, device=weight.device, dtype=weight.dtype)
        self.register_buffer("u", normalize(u, dim=0))
        for _ in range(0 if weight.is_meta else WARM_UP):
            self._iterate(self._matrix(weight.detach()))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weight divided by u^T W v."""
        if weight.is_meta:
            return weight
        with torch.autocast(weight.device.type, enabled=False):
            matrix = self._matrix(weight)
            if self.training:
                self._iterate(matrix.detach())
            with torch.no_grad():
                u = self.u.clone()  # the next pass may come before this one's backward
                v = normalize(matrix.T @ u, dim=0)
            return weight / torch.dot(u, matrix @ v)

    def _matrix(self, weight: Tensor) -> Tensor:
        return weight.movedim(self.outputs, 0).flatten(1)

    @torch.no_grad()
    def _iterate(self, matrix: Tensor) -> None:
        self.u.copy_(normalize(matrix @ normalize(matrix.T @ self.u, dim=0), dim=0))


def spectral_norm(layer: nn.Module) -> None:
    """Normalise the weight of one layer."""
    assert isinstance(layer.weight, Tensor)
    outputs = 1 if isinstance(layer, TRANSPOSED) else 0
    register_parametrization(layer, "weight", SpectralNorm(layer.weight, outputs))


def normalise(network: nn.Module) -> None:
    """Normalise every linear layer and convolution that does not do so itself.

    A layer that starts at zero has no direction to keep: it is drawn anew, as He et al. 2015.
    """
    for module in list(network.modules()):
        if isinstance(module, LAYERS) and not is_parametrized(module, "weight"):
            if not module.weight.is_meta and not module.weight.any():
                nn.init.kaiming_normal_(module.weight)
            spectral_norm(module)
