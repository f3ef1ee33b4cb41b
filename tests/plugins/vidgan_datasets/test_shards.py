"""Shards as WebDataset writes them: every sample once, in the same order after a kill, in flat
memory, split by rank and process.
"""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from clips import counting, folder, moving_block, numbers, save
from conftest import TINY, Command
from PIL import Image
from vidgan_datasets.folder_roots import roots

from vidgan_core.data.batch_loader import BatchLoader
from vidgan_core.data.prefetch import Prefetcher
from vidgan_core.errors import UsageError
from vidgan_core.interfaces import Dataset


def add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))


def clip_of(number: int) -> bytes:
    """A video of 8 frames that tells its number by its brightness."""
    frames = np.full((8, 16, 16, 3), 2 + 2 * number, np.uint8)
    return save("clip.mkv", frames, codec="ffv1", pixels="bgr0").read_bytes()


def shards(count: int, samples: int, stem: str = "shard") -> str:
    """Write shards of numbered videos, with a class, a caption and an object each."""
    for shard in range(count):
        with tarfile.open(f"{stem}-{shard:03}.tar", "w") as archive:
            for sample in range(samples):
                number = shard * samples + sample
                key = f"{number:06}"
                add(archive, f"{key}.mp4", clip_of(number))
                add(archive, f"{key}.cls", str(number % 3).encode())
                add(archive, f"{key}.json", json.dumps({"caption": f"clip {number}"}).encode())
    return f"{stem}-{{000..{count - 1:03}}}.tar"


def number_of(video: np.ndarray) -> int:  # type: ignore[type-arg]
    return round((float(video.mean()) - 2) / 2)


def test_braces_name_files() -> None:
    for name in ("s-08.tar", "s-09.tar", "s-10.tar", "a.tar", "b.zip", "{odd}.tar"):
        Path(name).touch()
    assert roots("s-{08..10}.tar")[1] == ("s-08.tar", "s-09.tar", "s-10.tar")
    assert roots("{a.tar,b.zip}")[1] == ("a.tar", "b.zip")
    assert roots("./{odd}.tar")[1] == ("{odd}.tar",)
    assert roots("s-08.tar")[1] == ("s-08.tar",)
    with pytest.raises(UsageError, match=r"s-07\.tar does not exist"):
        roots("s-{07..10}.tar")
    with pytest.raises(UsageError, match="more than 1,000,000"):
        roots("{0..999999}{0..9}.tar")
    for path in ("none", "{..,a.tar}", "x/{a,../../b}/c.tar", "s-{10..08}.tar"):
        with pytest.raises(UsageError, match="does not exist"):
            roots(path)


def test_a_sample_is_a_video_with_its_fields() -> None:
    data = folder(shards(3, 4), classes="files", captions=True)
    assert data.sources == 12
    assert data.class_names == ["0", "1", "2"]  # type: ignore[attr-defined]
    words = {name: number for number, name in enumerate(data.fields[1].names)}
    for index in range(len(data)):
        item = data.item(index)
        number = number_of(item["video"])
        assert item["class"] == number % 3
        assert item["caption"][:2].tolist() == [words["clip"], words[str(number)]]
    assert "12 files: 12 used" in data.summary()


def test_a_sample_of_frames() -> None:
    with tarfile.open("shard-0.tar", "w") as archive:
        for sample in range(3):
            for number, frame in enumerate(counting(6, 16)):
                buffer = io.BytesIO()
                Image.fromarray(frame).save(buffer, "PNG")
                add(archive, f"{sample:04}.{number:02}.png", buffer.getvalue())
            add(archive, f"{sample:04}.txt", f"sample {sample}".encode())
    data = folder("shard-0.tar", captions=True)
    assert data.sources == 3
    assert [r["caption"] for r in data.check()] == ["sample 0", "sample 1", "sample 2"]
    assert numbers(data.item(1)["video"]) == [1, 2, 3, 4]


def shown(data: Dataset, batches: range, shard: int = 0, of: int = 1) -> list[int]:
    loader = BatchLoader(data, 6, seed=3, shard=shard, shards=of)
    return [number_of(clip) for k in batches for clip in loader(k)[0]["video"]]


def test_an_epoch_shows_every_window_once_split_by_rank() -> None:
    data = folder(shards(2, 6), hop=8)
    assert len(data) == 12
    together = shown(data, range(2))
    assert sorted(together) == list(range(12))
    parts = [shown(data, range(2), rank, 3) for rank in range(3)]
    assert sorted(sum(parts, [])) == list(range(12))
    dealt = [parts[rank][2 * k : 2 * k + 2] for k in range(2) for rank in range(3)]
    assert sum(dealt, []) == together


@pytest.mark.parametrize("workers", [0, 1])
def test_any_batch_is_reached_at_once(workers: int) -> None:
    data = folder(shards(2, 6), hop=8, cache_gb=0)
    everything = shown(data, range(5))
    ahead = Prefetcher(BatchLoader(data, 6, seed=3), workers)
    try:
        found = [number_of(clip) for k in (3, 4) for clip in ahead(k)[0]["video"]]
    finally:
        ahead.close()
    assert found == everything[18:30]


def test_a_run_goes_on_at_the_exact_sample(vidgan: Command) -> None:
    pattern = shards(2, 3)
    options = (*TINY, "--data", pattern, "--set", "data.cache_gb=0", "--set", "checkpoint.every=1")
    whole = vidgan("run", *options, "--steps", 4, "--out", "whole")
    assert whole.code == 0, whole.err
    assert vidgan("run", *options, "--steps", 2, "--out", "parts").code == 0
    assert vidgan("run", *options, "--steps", 4, "--resume", "parts").code == 0
    last = "checkpoints/step-00000004/model.safetensors"
    assert Path("whole", last).read_bytes() == Path("parts", last).read_bytes()


READER = """
import hashlib, resource, sys
from clips import folder
from vidgan_core.data.batch_loader import BatchLoader
pattern, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
data = folder(pattern, hop=8, cache_gb=0)
loader = BatchLoader(data, 10, seed=3)
for k in range(first, last):
    clips = loader(k)[0]["video"]
    shown = [hashlib.sha256(clip.tobytes()).hexdigest() for clip in clips]
    print(k, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, *shown, flush=True)
"""


def read(pattern: str, first: int, last: int, kill_after: int = 0) -> list[list[str]]:
    """Read batches in a process of its own, and kill it after some of them."""
    program = [sys.executable, "-c", READER, pattern, str(first), str(last)]
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    lines = []
    with subprocess.Popen(
        program, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": path}
    ) as process:
        assert process.stdout
        for line in process.stdout:
            lines.append(line.split())
            if kill_after and len(lines) == kill_after:
                process.send_signal(signal.SIGKILL)
                break
    return lines


@pytest.mark.slow
def test_a_hundred_shards_after_a_kill_and_in_flat_memory() -> None:
    pattern = _large_shards(100, 100)
    whole = read(pattern, 0, 300)
    before = read(pattern, 0, 300, kill_after=120)
    after = read(pattern, 120, 300)
    assert [line[2:] for line in (*before, *after)] == [line[2:] for line in whole]
    assert len({clip for line in whole for clip in line[2:]}) == 3000
    memory = {int(line[0]): int(line[1]) / 1024 for line in whole}
    print(f"after 50 batches {memory[50]:.0f} MB, after 300 {memory[299]:.0f} MB")
    assert memory[299] < memory[50] + 32


def _large_shards(count: int, samples: int) -> str:
    rng = np.random.default_rng(0)
    for shard in range(count):
        with tarfile.open(f"large-{shard:03}.tar", "w") as archive:
            for sample in range(samples):
                frames = moving_block(8, 16, 16, int(rng.integers(2**31)))
                path = save("clip.mkv", frames, codec="ffv1", pixels="bgr0")
                add(archive, f"{sample:06}.mkv", path.read_bytes())
    return f"large-{{000..{count - 1:03}}}.tar"
