"""Spectral normalisation of any network, Miyato et al. 2018, by torch's parametrization."""

from __future__ import annotations

from torch import nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import is_parametrized

LAYERS = (
    *(nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d),
    *(nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
)


def normalise(network: nn.Module) -> None:
    """Divide the weight of every linear layer and convolution by its largest singular value.

    The value is followed by one power iteration a forward pass in training mode (algorithm 1), in
    buffers that are part of the network's state. A layer that starts at zero has no direction to
    keep: it is drawn anew, as He et al. 2015. What a network has normalised itself stays so.
    """
    for module in list(network.modules()):
        if isinstance(module, LAYERS) and not is_parametrized(module, "weight"):
            if not module.weight.is_meta and not module.weight.any():
                nn.init.kaiming_normal_(module.weight)
            spectral_norm(module)
