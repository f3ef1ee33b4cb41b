"""Convert I3D's weights for FVD to a safetensors file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor


@click.command("convert-i3d")
@click.argument("weights", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    default="i3d.safetensors",
    show_default=True,
    help="The file to write.",
)
def command(weights: Path, out: Path) -> None:
    """Convert WEIGHTS, a state dict that PyTorch saved, to a file that `fvd` reads.

    It is the file that the ports of FVD to PyTorch call i3d_pretrained_400.pt: the weights of
    TensorFlow Hub's module i3d-kinetics-400. Nothing in the file is executed.
    """
    import torch
    from safetensors.torch import save

    from vidgan_features.i3d import InceptionI3D, chosen

    with torch.device("meta"):
        network = InceptionI3D()
    tensors = chosen(network, _state_dict(weights), str(weights))
    out.write_bytes(save({name: t.float().contiguous() for name, t in tensors.items()}))
    click.echo(f"{out}: for --metrics fvd --set metric.fvd.weights={out}")


def _state_dict(path: Path) -> Mapping[str, Tensor]:
    """Read the tensors of a file that nobody vouches for. UsageError where there are none."""
    import torch

    from vidgan_core.errors import UsageError, printable

    try:
        if _is_program(path):  # torch.load would compile it
            raise ValueError("it is a TorchScript program")
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file raises nearly anything
        reason = printable(str(error)).split(". ")[0][:200]
        raise UsageError(
            f"{printable(str(path))} can't be read as a state dict: {reason}",
            hint="i3d_pretrained_400.pt is one; i3d_torchscript.pt is a program",
        ) from None
    tensors = found.items() if isinstance(found, dict) else ()
    return {str(name): value for name, value in tensors if isinstance(value, torch.Tensor)}


def _is_program(path: Path) -> bool:
    import zipfile

    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("constants.pkl") for name in archive.namelist())
