"""Manifest of the metrics."""

from collections.abc import Iterator

from vidgan_core import Component, hookimpl

METRICS = {
    "fd": ("frechet:FrechetDistance", "Fréchet distance of features"),
    "fvd": ("frechet:FrechetVideoDistance", "Fréchet distance of logits of I3D; needs its weights"),
    "kd": ("kernel:KernelDistance", "unbiased kernel distance (MMD) of features"),
    "prdc": ("prdc:Coverage", "precision, recall, density and coverage"),
    "diversity": ("diversity:Diversity", "mean distance between clips, relative to real ones"),
    "self-ms-ssim": ("diversity:SelfSimilarity", "MS-SSIM between generated clips"),
    "memorisation": ("memorisation:Memorisation", "share of clips too close to a training clip"),
    "class-consistency": ("classes:ClassConsistency", "share of clips of the requested class"),
    "acd": ("content:ColourDistance", "average content distance: the drift of a shape's colour"),
    "acd-features": ("content:ContentDistance", "average content distance on features of frames"),
    "psnr": ("reference:Psnr", "peak signal to noise ratio against a reference"),
    "ssim": ("reference:Ssim", "structural similarity against a reference"),
    "ms-ssim": ("reference:MsSsim", "structural similarity at several scales"),
    "consistency": ("consistency:Consistency", "steadiness along the motion of a reference"),
    "perceptual": ("perceptual:Perceptual", "distance on the feature maps of lite0; not LPIPS"),
    "efficiency": ("efficiency:Efficiency", "parameters, FLOPs, speed, latency and memory"),
}


@hookimpl
def vidgan_components() -> Iterator[Component]:
    """Announce the metrics."""
    for name, (target, summary) in METRICS.items():
        yield Component("metric", name, f"vidgan_metrics.{target}", summary)
