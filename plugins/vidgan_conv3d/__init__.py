"""Manifest of the 3D-convolutional networks of Vondrick et al. 2016."""

from collections.abc import Iterator

from vidgan_core import Component, hookimpl


@hookimpl
def vidgan_components() -> Iterator[Component]:
    """Announce `conv3d`, one stream, and `vgan`, foreground over background."""
    yield Component(
        "generator",
        "conv3d",
        "vidgan_conv3d.conv3d:Conv3dGenerator",
        "one stream of transposed 3D convolutions (Vondrick et al. 2016)",
        usual={"discriminator": {"name": "conv3d"}},
        default=True,
    )
    yield Component(
        "discriminator",
        "conv3d",
        "vidgan_conv3d.conv3d:Conv3dDiscriminator",
        "3D convolutions, the mirror image of the generator (Vondrick et al. 2016)",
        default=True,
    )
    yield Component(
        "generator",
        "vgan",
        "vidgan_conv3d.vgan:VGANGenerator",
        "moving foreground and mask over a static background (Vondrick et al. 2016)",
        usual={"discriminator": {"name": "conv3d"}, "term": {"mask-sparsity": {"weight": 0.1}}},
    )
    yield Component(
        "term",
        "mask-sparsity",
        "vidgan_conv3d.vgan:MaskSparsity",
        "L1 regularizer of the mask, so that the background is used (Vondrick et al. 2016)",
    )
