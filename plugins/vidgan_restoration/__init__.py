"""Manifest of the networks that restore and enlarge a given video."""

from collections.abc import Iterator

from vidgan_core import Component, hookimpl

# The pixel loss first; the critic begins where `loss.start` says, with a weight that keeps the sum
# about a picture's errors.
_RECIPE = {
    "task": {"name": "superresolution"},
    "discriminator": {"name": "patch3d", "concat": True},
    "loss": {"weight": 0.01, "start": 1000},
    "optimizer": {"lr": 1e-3, "betas": [0.9, 0.99]},
    "data": {"frames": 8},
}


@hookimpl
def vidgan_components() -> Iterator[Component]:
    """Announce the generators and the patch critic."""
    yield Component(
        "generator",
        "recurrent",
        "vidgan_restoration.recurrent:RecurrentGenerator",
        "restores a clip by propagation in both directions of time (Chan et al. 2021)",
        usual=_RECIPE | {"term": {"pixel": {"weight": 1.0}, "warp": {"weight": 0.1}}},
    )
    yield Component(
        "generator",
        "recurrent-online",
        "vidgan_restoration.online:OnlineRecurrentGenerator",
        "restores a video frame after frame, for live use (Sajjadi et al. 2018)",
        usual=_RECIPE | {"term": {"pixel": {"weight": 1.0}, "warp": {"weight": 0.1}}},
    )
    yield Component(
        "generator",
        "fastdvd",
        "vidgan_restoration.fastdvd:FastDVDGenerator",
        "removes noise, with five frames and two U-Nets (Tassano et al. 2020)",
        usual=_RECIPE | {"task": {"name": "denoise"}, "term": {"pixel": {"weight": 1.0}}},
    )
    yield Component(
        "discriminator",
        "patch3d",
        "vidgan_restoration.patch3d:PatchDiscriminator",
        "scores of patches in space and time, (2+1)D convolutions (Isola et al. 2017)",
    )
