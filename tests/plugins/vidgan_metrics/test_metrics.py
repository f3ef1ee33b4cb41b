"""Metrics against independent ones: torchmetrics, brute force, and calculations by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import REGISTRY, SMALL
from torch import Tensor, nn
from torchmetrics.functional.image import structural_similarity_index_measure
from torchmetrics.functional.image.ssim import _ssim_update
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from vidgan_core.errors import ShapeError, UsageError
from vidgan_core.interfaces import ClipSet, Evidence, Metric

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance` will save"),
]


class Given(nn.Module):
    """Features that are there already, as torchmetrics takes an own network."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.num_features = length

    def forward(self, rows: Tensor) -> Tensor:
        return rows


def metric(name: str, **options: object) -> Metric:
    made: Metric = REGISTRY.load("metric", name)(**options)
    return made


def of(rows: Tensor | None = None, video: Tensor | None = None, **more: Tensor) -> ClipSet:
    """Clips of which only the features, or only the video, matter."""
    clips = torch.zeros(len(rows), 3, 1, 1, 1, dtype=torch.uint8) if rows is not None else video
    assert clips is not None
    return ClipSet(clips, rows, condition=more)


def rows(n: int, length: int = 12, *, shift: float = 0.0, seed: int = 0) -> Tensor:
    """Correlated features."""
    rng = torch.Generator().manual_seed(seed)
    mix = torch.randn(length, length, generator=torch.Generator().manual_seed(99))
    return (torch.randn(n, length, generator=rng).double() @ mix.double()) / 3 + shift


def pixels(*shape: int, seed: int = 0) -> Tensor:
    """Smooth clips (N, C, T, H, W) of bytes."""
    rng = torch.Generator().manual_seed(seed)
    coarse = torch.rand(math.prod(shape[:2]), shape[2], shape[3] // 4, shape[4] // 4, generator=rng)
    fine = nn.functional.interpolate(coarse, shape[3:], mode="bilinear")
    return (fine.view(shape) * 255).to(torch.uint8)


@pytest.mark.parametrize(("n", "m"), [(200, 150), (8, 30), (30, 8)], ids=["full", "few", "fewer"])
def test_frechet_distance_is_torchmetrics(n: int, m: int) -> None:
    real, fake = rows(n), rows(m, shift=0.3, seed=1)
    theirs = FrechetInceptionDistance(feature=Given(12)).set_dtype(torch.float64)
    theirs.update(real, real=True)
    theirs.update(fake, real=False)
    ours = metric("fd").measure(Evidence(of(real), of(fake)))["fd"]
    assert ours == pytest.approx(float(theirs.compute()), rel=1e-6)


def test_frechet_distance_of_gaussians_is_the_formula() -> None:
    """Of two sets of commuting covariances: sums of squares of what differs."""
    signs = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]]).double()
    one, two = signs * torch.tensor([1.0, 2]), signs * torch.tensor([3.0, 1]) + 5
    scale = math.sqrt(4 / 3)
    expected = 2 * 25 + (scale * 2) ** 2 + scale**2
    assert metric("fd").measure(Evidence(of(one), of(two)))["fd"] == pytest.approx(expected)


def test_kernel_distance_is_torchmetrics() -> None:
    real, fake = rows(120), rows(120, shift=0.2, seed=1)
    theirs = KernelInceptionDistance(feature=Given(12), subsets=1, subset_size=120)
    theirs.set_dtype(torch.float64)
    theirs.update(real, real=True)
    theirs.update(fake, real=False)
    ours = metric("kd").measure(Evidence(of(real), of(fake)))["kd"]
    assert ours == pytest.approx(float(theirs.compute()[0]), rel=1e-6)


def test_kernel_distance_of_parts_is_torchmetrics_with_its_deviation() -> None:
    """torchmetrics draws its parts from torch's default generator."""
    from vidgan_metrics.kernel import mmd2

    real, fake = rows(60), rows(60, shift=0.2, seed=1)
    theirs = KernelInceptionDistance(feature=Given(12), subsets=10, subset_size=20)
    theirs.set_dtype(torch.float64)
    theirs.update(real, real=True)
    theirs.update(fake, real=False)
    torch.manual_seed(3)
    mean, deviation = theirs.compute()
    torch.manual_seed(3)
    parts = [mmd2(real[torch.randperm(60)[:20]], fake[torch.randperm(60)[:20]]) for _ in range(10)]
    assert np.mean(parts) == pytest.approx(float(mean), rel=1e-6)
    assert np.std(parts) == pytest.approx(float(deviation), rel=1e-6)


def test_kernel_distances_error_is_that_of_leaving_clips_out() -> None:
    from vidgan_metrics.kernel import mmd2

    real, fake = rows(9), rows(7, shift=0.5, seed=1)

    def without(table: Tensor, row: int) -> Tensor:
        return torch.cat([table[:row], table[row + 1 :]])

    left = [mmd2(without(real, i), fake) for i in range(9)]
    right = [mmd2(real, without(fake, i)) for i in range(7)]
    variance = sum((len(v) - 1) * np.var(v) for v in (left, right))
    numbers = metric("kd").measure(Evidence(of(real), of(fake)))
    assert numbers["kd_error"] == pytest.approx(math.sqrt(variance), rel=1e-9)


def test_kernel_distances_error_is_how_much_it_varies() -> None:
    found = [
        metric("kd").measure(Evidence(of(rows(60, seed=s)), of(rows(60, shift=0.5, seed=s + 99))))
        for s in range(60)
    ]
    spread, reported = np.std([n["kd"] for n in found]), np.mean([n["kd_error"] for n in found])
    assert 0.8 < reported / spread < 1.6


@pytest.mark.parametrize(("n", "m"), [(40, 40), (300, 280)])
def test_prdc_is_what_counting_gives(n: int, m: int) -> None:
    real, fake = rows(n, 4).numpy(), rows(m, 4, shift=0.3, seed=1).numpy()
    k = 5
    far = np.array([[math.dist(r, f) for f in fake] for r in real])
    real_balls = np.array([sorted(math.dist(a, b) for b in real)[k] for a in real])
    fake_balls = np.array([sorted(math.dist(a, b) for b in fake)[k] for a in fake])
    expected = {
        "precision": np.mean([any(far[:, j] < real_balls) for j in range(m)]),
        "recall": np.mean([any(far[i] < fake_balls) for i in range(n)]),
        "density": sum((far[:, j] < real_balls).sum() for j in range(m)) / (k * m),
        "coverage": np.mean([any(far[i] < real_balls[i]) for i in range(n)]),
    }
    evidence = Evidence(of(torch.from_numpy(real)), of(torch.from_numpy(fake)))
    assert metric("prdc", k=k).measure(evidence) == expected


def test_prdc_of_the_same_clips_of_what_is_far_away_and_of_a_single_clip() -> None:
    real = rows(50)
    same = metric("prdc").measure(Evidence(of(real), of(real.flip(0))))
    assert set(same.values()) == {1.0}
    away = metric("prdc").measure(Evidence(of(real), of(real + 100)))
    assert set(away.values()) == {0.0}
    one = metric("prdc").measure(Evidence(of(real), of(real[:1].repeat(50, 1))))
    assert one["precision"] == 1
    assert one["recall"] < 0.1
    assert one["coverage"] < 0.3
    with pytest.raises(UsageError, match="more than 60 clips"):
        metric("prdc", k=60).measure(Evidence(of(real), of(real)))


def test_diversity_is_the_ratio_of_mean_distances() -> None:
    real = torch.tensor([[0.0], [1], [3]]).double()  # distances 1, 3, 2
    fake = torch.tensor([[0.0], [1], [2]]).double()  # distances 1, 2, 1
    numbers = metric("diversity").measure(Evidence(of(real), of(fake)))
    assert numbers["diversity"] == pytest.approx((4 / 3) / 2)
    left, of_real = np.array([1, 2, 1]) / 2, np.array([2, 3, 1]) / 2  # each left out in turn
    expected = 2 * np.var(left) + (2 / 3) ** 2 * 2 * np.var(of_real)
    assert numbers["diversity_error"] == pytest.approx(math.sqrt(expected))
    none = metric("diversity").measure(Evidence(of(real), of(fake * 0)))
    assert none["diversity"] == 0


def test_diversitys_error_leaves_out_whole_videos() -> None:
    """Of videos of different lengths: the same as by distances between the clips that remain."""
    sizes = [1, 2, 3, 2, 4]
    group = torch.repeat_interleave(torch.arange(5), torch.tensor(sizes))
    fake = rows(len(group), 3, seed=1)
    far = torch.pdist(rows(40, 3)).mean()
    alone = metric("diversity").measure(Evidence(of(rows(40, 3)), of(fake)))
    grouped = metric("diversity").measure(
        Evidence(of(rows(40, 3)), replace(of(fake), group=group + 7))
    )
    left = [float(torch.pdist(fake[group != g]).mean() / far) for g in range(5)]
    clips = torch.arange(len(fake))
    each = [float(torch.pdist(fake[clips != i]).mean() / far) for i in clips]
    real = alone["diversity_error"] ** 2 - jackknifed(each)
    assert grouped["diversity"] == alone["diversity"]
    assert grouped["diversity_error"] == pytest.approx(math.sqrt(jackknifed(left) + real))


def jackknifed(values: list[float]) -> float:
    """The variance of a number from its values with each part left out."""
    return (len(values) - 1) * float(np.var(values))


def test_diversitys_error_is_its_spread_where_clips_of_a_video_are_alike() -> None:
    """Ten near copies of each of 30: the error is that of 30 clips, not of 300."""
    group = torch.arange(30).repeat_interleave(10)
    real = of(rows(400))

    def measured(seed: int) -> dict[str, float]:
        clips = rows(30, seed=seed)[group] + 0.01 * rows(300, seed=seed + 1000)
        return metric("diversity").measure(Evidence(real, replace(of(clips), group=group)))

    drawn = [measured(seed) for seed in range(1, 25)]
    spread = np.std([numbers["diversity"] for numbers in drawn], ddof=1)
    claimed = np.mean([numbers["diversity_error"] for numbers in drawn])
    assert 0.6 < claimed / spread < 1.6


def test_a_copy_of_the_training_set_is_memorised() -> None:
    train, held_out, fresh = rows(300), rows(200, seed=1), rows(200, seed=2)

    def numbers(fake: Tensor) -> dict[str, float]:
        evidence = Evidence(of(held_out), of(fake), of(train))
        return dict(metric("memorisation").measure(evidence))

    honest, copied, half = (
        numbers(fresh),
        numbers(train[:200]),
        numbers(torch.cat([train[:100], fresh[:100]])),
    )
    assert honest["memorised"] == pytest.approx(0.05, abs=0.05)
    assert abs(honest["copying"] - 0.5) < 3 * honest["copying_error"]
    assert (copied["memorised"], copied["copying"]) == (1, 1)
    assert half["memorised"] == pytest.approx(0.5 + honest["memorised"] / 2, abs=0.03)
    assert half["copying"] > 0.5 + 5 * half["copying_error"]
    assert numbers(rows(200, shift=50, seed=3))["copying"] == 0


def test_the_rank_statistic_is_a_count_of_pairs() -> None:
    from vidgan_metrics.memorisation import placements

    values, others = torch.tensor([1.0, 2, 2, 7]), torch.tensor([2.0, 0, 3])
    counted = [np.mean([(o > v) + (o == v) / 2 for o in others]) for v in values]
    assert placements(values, others).tolist() == pytest.approx(counted)


def test_classes_are_told_apart_where_they_can_be() -> None:
    labels = torch.arange(150) % 3
    apart = torch.eye(3, 12).double()[labels] * 20
    real, fake = of(rows(150) + apart, **{"class": labels}), rows(150, seed=1) + apart
    name = "class-consistency"

    def share(asked: Tensor) -> float:
        evidence = Evidence(real, of(fake, **{"class": asked}))
        return metric(name).measure(evidence)[name]

    assert share(labels) > 0.98
    assert share((labels + 1) % 3) < 0.02
    with pytest.raises(UsageError, match="class labels"):
        metric(name).measure(Evidence(of(rows(150)), of(fake)))


def test_classes_are_those_that_scikit_learn_finds() -> None:
    """Of overlapping classes, none of which has the origin in its middle."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    known = torch.arange(150) % 3
    apart = torch.eye(3, 12).double() * torch.tensor([[0.3], [1.0], [2.0]]) + 1
    real, fake = rows(150) + apart[known], rows(150, seed=1) + apart[known]
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1)
    theirs.fit(real.numpy(), known.numpy())
    ours = metric("class-consistency").classify(real, known, fake)
    assert ours.tolist() == theirs.predict(fake.numpy()).tolist()


def test_average_content_distance_by_hand() -> None:
    """A square of 2x2 pixels, red, then green, then gone, then red again."""
    video = torch.zeros(1, 3, 4, 8, 8, dtype=torch.uint8)
    for frame, channel in ((0, 0), (1, 1), (3, 0)):
        video[0, channel, frame, 2:4, 2 + frame : 4 + frame] = 200
    turn = 200 * math.sqrt(2)
    numbers = metric("acd").measure(Evidence(of(video=video), of(video=video)))
    assert numbers == {"acd": pytest.approx((turn + 0 + turn) / 3)}
    with pytest.raises(UsageError, match="anything but black"):
        metric("acd").measure(Evidence(of(video=video), of(video=video * 0)))


def test_average_content_distance_of_features_by_hand() -> None:
    frames = torch.tensor([[[0.0, 0], [3, 4], [0, 0]], [[1, 1], [1, 1], [1, 2]]])
    clips = replace(of(torch.zeros(2, 1)), frame_features=frames)
    numbers = metric("acd-features").measure(Evidence(clips, clips))
    assert numbers["acd-features"] == pytest.approx((10 / 3 + 2 / 3) / 2)


def luma(video: Tensor) -> Tensor:
    """(N, 3, T, H, W) -> (N*T, 1, H, W), in [0, 255]."""
    grey = 0.299 * video[:, 0].double() + 0.587 * video[:, 1] + 0.114 * video[:, 2]
    return grey.flatten(0, 1)[:, None]


PAIR = (pixels(2, 3, 3, 64, 64), pixels(2, 3, 3, 64, 64))
NOISY = (PAIR[1] + torch.randint(0, 40, PAIR[1].shape).to(torch.uint8) // 2).clamp(0, 255)


EDGE = 5  # pixels, where torchmetrics' windows reach out of the frame


def whole_windows(real: Tensor, fake: Tensor) -> Tensor:
    """The SSIM that torchmetrics finds, of windows within the frame: (N,)."""
    _, image = structural_similarity_index_measure(
        fake, real, data_range=255.0, return_full_image=True, reduction="none"
    )
    return image[..., EDGE:-EDGE, EDGE:-EDGE].mean((1, 2, 3))


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_ssim_is_torchmetrics_within_the_frame() -> None:
    numbers = metric("ssim").measure(Evidence(of(video=PAIR[0]), of(video=NOISY)))
    theirs = whole_windows(luma(PAIR[0]), luma(NOISY)).mean()
    assert numbers["ssim"] == pytest.approx(float(theirs), abs=1e-5)  # scikit-video's are float32


@pytest.mark.parametrize(("size", "scales"), [(64, 3), (176, 5), (16, 1)])
def test_ms_ssim_is_torchmetrics_within_the_frame(size: int, scales: int) -> None:
    """Their contrasts are of windows within the frame, their SSIM at the last scale is not."""
    from vidgan_metrics.similarity import BETAS

    real = pixels(1, 3, 2, size, size)
    fake = (real // 2 + pixels(1, 3, 2, size, size, seed=1) // 2).clamp(0, 255)
    numbers = metric("ms-ssim").measure(Evidence(of(video=real), of(video=fake)))
    total = sum(BETAS[:scales])
    expected = torch.ones(2, dtype=torch.float64)
    one, two = luma(real), luma(fake)
    for scale, beta in enumerate(BETAS[:scales]):
        _, contrast = _ssim_update(two, one, data_range=255.0, return_contrast_sensitivity=True)
        last = scale == scales - 1
        factor = whole_windows(one, two) if last else contrast
        expected *= factor ** (beta / total)
        one, two = (nn.functional.avg_pool2d(frames, 2) for frames in (one, two))
    assert numbers == {"ms-ssim": pytest.approx(float(expected.mean()), abs=1e-6)}


def test_psnr_is_its_formula_and_finite_of_copies() -> None:
    real = PAIR[0]
    fake = real.clone()
    fake[:, :, 0] = (fake[:, :, 0] // 2) * 2  # one frame of three is damaged
    error = (luma(real) - luma(fake)).square().mean((1, 2, 3)).view(2, 3)
    expected = (10 * (255**2 / error).log10()).clamp(max=100).mean()
    numbers = metric("psnr").measure(Evidence(of(video=real), of(video=fake)))
    assert numbers["psnr"] == pytest.approx(float(expected))
    same = metric("psnr").measure(Evidence(of(video=real), of(video=real)))
    assert same["psnr"] == 100


def test_frames_smaller_than_the_window_are_refused() -> None:
    tiny = of(video=pixels(1, 3, 2, 8, 8))
    for name in ("ssim", "ms-ssim"):
        with pytest.raises(ShapeError, match="at least 11x11"):
            metric(name).measure(Evidence(tiny, tiny))


def test_clips_that_repeat_are_alike() -> None:
    different = pixels(20, 3, 2, 32, 32)
    repeated = different[:1].repeat(20, 1, 1, 1, 1)

    def likeness(video: Tensor) -> dict[str, float]:
        evidence = Evidence(of(video=different), of(video=video))
        return dict(metric("self-ms-ssim").measure(evidence))

    assert likeness(repeated)["self-ms-ssim"] == pytest.approx(1)
    assert likeness(different)["self-ms-ssim"] < 0.5
    assert likeness(different)["self-ms-ssim_error"] > 0


def test_efficiency_counts_what_is_there() -> None:
    """The mlp generator's layers are linear: 2 operations a weight and clip."""
    generator = REGISTRY.load("generator", "mlp")(SMALL)
    weights = [m.weight.numel() for m in generator.modules() if isinstance(m, nn.Linear)]
    steps: list[int] = []
    nothing = of(torch.zeros(1, 1))
    evidence = Evidence(nothing, nothing, generator=generator, step=lambda: steps.append(1))
    numbers = metric("efficiency", batch=4, repeats=1).measure(evidence)
    assert numbers["parameters"] == sum(p.numel() for p in generator.parameters())
    assert numbers["flops"] == 2 * sum(weights)
    assert numbers["frames-per-second"] == pytest.approx(8 * numbers["clips-per-second"])
    assert numbers["latency"] > 0
    assert numbers["sample-memory"] > 4 * 4 * SMALL.frames * 3 * 32 * 32 / 2**20
    assert len(steps) == 3  # one that does not count, one that does, one for the memory
    alone = metric("efficiency", batch=4, repeats=1).measure(replace(evidence, step=None))
    assert "step-seconds" not in alone
    with pytest.raises(UsageError, match="needs a run"):
        metric("efficiency").measure(replace(evidence, generator=None))


def test_fvd_says_what_it_is_measured_on() -> None:
    options = {"weights": "i3d.safetensors", "resize": "pytorch"}
    made = metric("fvd", **options)
    assert made.features == {"i3d": options}
    evidence = Evidence(of(rows(50)), of(rows(50, seed=1)))
    assert made.measure(evidence)["fvd"] == metric("fd").measure(evidence)["fd"]


def test_memory_is_that_of_tensors_at_their_height() -> None:
    """Also in a process that has freed more before, and whose malloc keeps it."""
    from vidgan_metrics.efficiency import peak

    torch.empty(100 << 18).fill_(1)

    def call() -> None:
        first = torch.ones(10 << 18)
        del first
        both = torch.ones(12 << 18), torch.ones(13 << 18)
        del both

    assert peak(call, torch.device("cpu")) == pytest.approx(25, abs=0.1)
