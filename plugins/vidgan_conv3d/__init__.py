"""Manifest of the 3D-convolutional pair."""

from collections.abc import Iterator

from vidgan_core import Component, hookimpl


@hookimpl
def vidgan_components() -> Iterator[Component]:
    """Announce `conv3d`."""
    yield Component(
        "generator",
        "conv3d",
        "vidgan_conv3d.conv3d:Conv3dGenerator",
        "one stream of transposed 3D convolutions (Vondrick et al. 2016)",
        usual={"disc": "conv3d"},
    )
    yield Component(
        "discriminator",
        "conv3d",
        "vidgan_conv3d.conv3d:Conv3dDiscriminator",
        "3D convolutions that mirror the generator (Vondrick et al. 2016)",
    )
