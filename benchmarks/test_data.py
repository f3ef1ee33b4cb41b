"""Reading, feeding and indexing your own videos, as ratios measured in one run."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter
from conftest import Ratio, configured, seconds
from vidgan_datasets.folder import Folder

from vidgan_core.interfaces import Tensors
from vidgan_core.interfaces.dataset import DataSpec
from vidgan_core.plugins.registry import Registry
from vidgan_core.training.run import Run

SPEC = DataSpec(frames=16, height=64, width=64)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIDGAN_CACHE", str(tmp_path / "cache"))


def write_video(
    path: str, frames: int, *, height: int = 240, width: int = 320, seed: int = 0
) -> Path:
    """Write noise that moves, with a key frame every 12 frames."""
    made = Path(path)
    made.parent.mkdir(parents=True, exist_ok=True)
    still = np.random.default_rng(seed).integers(0, 255, (height // 8, width // 8, 3), np.uint8)
    still = still.repeat(8, 0).repeat(8, 1)
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"g": "12", "preset": "fast"})
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        for t in range(frames):
            array = np.ascontiguousarray(np.roll(still, 2 * t, 1))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(array, format="rgb24")))
        container.mux(stream.encode(None))
    return made


def folder(**options: object) -> Folder:
    return Folder(SPEC, "train", path="clips", held_out=0.0, **options)  # type: ignore[arg-type]


def bare(path: Path) -> Iterator[np.ndarray]:
    """The least that PyAV can do to turn a video into 64-pixel frames."""
    scaler = VideoReformatter()
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for frame in container.decode(stream):
            scaled = scaler.reformat(frame, width=86, height=64, format="rgb24", threads=1)
            yield scaled.to_ndarray()[:, 11:75]


def test_reading_windows_against_a_bare_loop(ratio: Ratio) -> None:
    """All frames as windows side by side; at most 1 / 0.9 of the bare loop's time."""
    path = write_video("clips/a.mp4", 480)
    dataset = folder(hop=480, cache_gb=0.0)
    record = dataset.records[0]

    def ours() -> None:
        frames = record.source(Path("clips")).read(range(480), dataset.geometry)
        np.stack(list(frames))

    assert ratio(ours, lambda: np.stack(list(bare(path))), rounds=5) < 1 / 0.9


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="scikit-video reads by ffmpeg")
def test_reading_against_scikit_video(ratio: Ratio) -> None:
    """At least twice as fast as scikit-video's reader at the same size."""
    path = write_video("clips/a.mp4", 480)
    dataset = folder()
    record = dataset.records[0]
    program = (
        "import time, skvideo.io; from vidgan_metrics.skvideo_compat import repair; repair()\n"
        "started = time.perf_counter()\n"
        f"frames = list(skvideo.io.vreader({str(path)!r}, outputdict={{'-s': '86x64'}}))\n"
        "print(time.perf_counter() - started)\n"
    )

    def measure(call: Callable[[], object]) -> float:
        return seconds(call) if call is ours else float(str(call()))

    def ours() -> None:
        np.stack(list(record.source(Path("clips")).read(range(480), dataset.geometry)))

    def theirs() -> str:
        return subprocess.check_output([sys.executable, "-c", program], text=True)

    assert ratio(ours, theirs, rounds=3, measure=measure) < 0.5


@pytest.mark.parametrize(("cache_gb", "workers", "bound"), [(1.0, 0, 0.02), (0.0, 1, 0.05)])
def test_the_trainer_waits_for_data(
    cache_gb: float, workers: int, bound: float, capsys: pytest.CaptureFixture[str]
) -> None:
    """The share of a conv3d step that is spent waiting for its batch, cached and streaming."""
    for number in range(3):
        write_video(f"clips/{number}.mp4", 100, seed=number)
    settings = (f"data.cache_gb={cache_gb}", f"data.workers={workers}", "data.path=clips")
    run = Run(configured("conv3d", "data.name=folder", *settings), Registry.discover())
    waits: list[float] = []
    fetch = run.trainer._batches

    def timed(position: int) -> Tensors:
        started = time.perf_counter()
        batch = fetch(position)
        waits.append(time.perf_counter() - started)
        return batch

    run.trainer._batches = timed
    shares = []
    for step in range(9):
        waits.clear()
        whole = seconds(run.trainer.step)
        if step >= 3:  # the cache was filled before, the worker has started
            shares.append(sum(waits) / whole)
    run.batches.close()
    with capsys.disabled():
        print(f"\nwaiting, cache_gb={cache_gb} workers={workers}: {float(np.median(shares)):.2%}")
    assert float(np.median(shares)) <= bound


def test_reading_shards_against_their_files(ratio: Ratio) -> None:
    """Clips in random order from 10 shards of 10 videos; at most 1.1 times those of the folder."""
    for number in range(100):
        name = f"{number:04}.mp4"
        write_video(f"clips/{number // 10}/{name}", 48, seed=number)
    for shard in range(10):
        with tarfile.open(f"shard-{shard}.tar", "w") as archive:
            archive.add(f"clips/{shard}", ".")
    files = folder(cache_gb=0.0, hop=16)
    shards = Folder(SPEC, "train", path="shard-{0..9}.tar", held_out=0.0, cache_gb=0.0, hop=16)
    order = np.random.default_rng(0).permutation(len(files))[:60].tolist()
    assert len(shards) == len(files)
    found = ratio(*(lambda d=d: [d.item(n) for n in order] for d in (shards, files)), rounds=3)
    assert found < 1.1


def tree(count: int) -> None:
    """A tree of `count` small videos."""
    data = write_video("one.mp4", 16, height=64, width=64).read_bytes()
    for number in range(count):
        path = Path(f"clips/{number % 100}/{number}.mp4")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def test_indexing_grows_linearly_and_a_second_look_is_quick(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """10 times the files take at most 13 times as long; 10,000 unchanged files under 5 s."""
    took: dict[int, float] = {}
    for count in (100, 1_000, 10_000):
        shutil.rmtree("clips", ignore_errors=True)
        tree(count)
        took[count] = seconds(lambda: folder().check(again=True))
    again = seconds(lambda: folder().check())
    with capsys.disabled():
        print("\nindexing:", {n: f"{s:.2f} s" for n, s in took.items()}, f"again {again:.2f} s")
    assert took[10_000] < 13 * took[1_000]
    assert again < 5


def test_memory_stays_flat_however_many_clips(capsys: pytest.CaptureFixture[str]) -> None:
    """The peak of a process that draws batches from 10 and from 10,000 videos."""
    program = (
        "import resource, sys\n"
        "from vidgan_core.data.batches import Batches\n"
        "from vidgan_core.interfaces.dataset import DataSpec\n"
        "from vidgan_datasets.folder import Folder\n"
        "data = Folder(DataSpec(frames=8, height=64, width=64), 'train', path='clips')\n"
        "batches = Batches(data, 8, seed=0)\n"
        "for k in range(300): batches(k)\n"
        "batches.close()\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)\n"
    )
    peaks = {}
    for count in (10, 10_000):
        shutil.rmtree("clips", ignore_errors=True)
        tree(count)
        peaks[count] = float(subprocess.check_output([sys.executable, "-c", program], text=True))
    with capsys.disabled():
        print("\npeak memory:", {n: f"{mb:.0f} MB" for n, mb in peaks.items()})
    assert peaks[10_000] - peaks[10] < 50
