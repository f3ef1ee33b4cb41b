"""Damaged videos: every one gets a status and a reason, and few pass for healthy.

`pytest tests/plugins/vidgan_datasets/test_mutations.py -m slow -s` prints the rates of a thousand.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from clips import folder, moving_block, save

SECONDS = 20.0
# suffix, codec, and how much of 1,000 files
SOURCES = {
    "h264": ("mp4", "libx264", 400),
    "mpeg4": ("avi", "mpeg4", 150),
    "vp9": ("webm", "libvpx-vp9", 150),
    "mjpeg": ("mov", "mjpeg", 150),
    "gif": ("gif", "gif", 150),
}


def truncated(data: bytearray, rng: random.Random) -> bytearray:
    return data[: rng.randrange(1, len(data))]


def bytes_flipped(data: bytearray, rng: random.Random) -> bytearray:
    for _ in range(rng.randrange(1, 20)):
        data[rng.randrange(len(data))] ^= rng.randrange(1, 256)
    return data


def stretch_overwritten(data: bytearray, rng: random.Random) -> bytearray:
    start = rng.randrange(len(data))
    stop = min(len(data), start + rng.randrange(16, 512))
    data[start:stop] = rng.randbytes(stop - start)
    return data


def header_flipped(data: bytearray, rng: random.Random) -> bytearray:
    for _ in range(rng.randrange(1, 4)):
        data[rng.randrange(min(600, len(data)))] ^= 1 << rng.randrange(8)
    return data


MUTATIONS = (truncated, bytes_flipped, stretch_overwritten, header_flipped)


def mutants(root: Path, codec: str, count: int) -> None:
    """Write mutants of one video; every tenth is in a container that its name denies."""
    suffix, encoder, _ = SOURCES[codec]
    rng = random.Random(codec)
    original = save(f"original/{codec}.{suffix}", moving_block(24, 64, 80), codec=encoder)
    for number in range(count):
        change: Callable[[bytearray, random.Random], bytearray] = MUTATIONS[number % len(MUTATIONS)]
        name = f"{codec}-{number:03d}-{change.__name__}"
        wrong = ".avi" if suffix == "mp4" else ".mp4"
        path = root / (name + (wrong if number % 10 == 9 else f".{suffix}"))
        path.write_bytes(change(bytearray(original.read_bytes()), rng))


def pictures(path: Path) -> bytes | None:
    """What an ordinary reader shows, without a word about damage; None if it gives up."""
    try:
        with av.open(str(path)) as container:
            frames = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    except (av.FFmpegError, IndexError, ValueError, OSError):
        return None
    return np.stack(frames).tobytes() if len({f.shape for f in frames}) == 1 else b""


@pytest.mark.parametrize(
    "total", [150, pytest.param(1000, marks=pytest.mark.slow)], ids=lambda n: f"{n}"
)
def test_mutants_are_told_from_healthy_videos(
    total: int, record_property: Callable[[str, object], None]
) -> None:
    av.logging.set_level(None)
    root = Path("mutants")
    root.mkdir()
    for codec, (_, _, share) in SOURCES.items():
        mutants(root, codec, share * total // 1000)
    records = folder(root, max_seconds=SECONDS).check()
    assert len(records) == sum(share * total // 1000 for _, _, share in SOURCES.values())
    assert all(r["status"] == "ok" or r["reason"] for r in records)
    assert not any("max_seconds" in r["reason"] for r in records)
    shown = {
        codec: pictures(Path(f"original/{codec}.{suffix}"))
        for codec, (suffix, _, _) in SOURCES.items()
    }
    damaged: Counter[str] = Counter()
    marked: Counter[str] = Counter()
    for record in records:
        codec = record["name"].partition("-")[0]
        if pictures(root / record["name"]) != shown[codec]:
            damaged[codec] += 1
            marked[codec] += record["status"] != "ok"
    for codec in SOURCES:
        print(f"{codec}: {marked[codec]} of {damaged[codec]} damaged files are marked")
        record_property(
            f"mutated {codec}", f"{marked[codec]} of {damaged[codec]} damaged are marked"
        )
    assert marked["h264"] >= 0.95 * damaged["h264"]


def test_originals_are_healthy() -> None:
    for codec, (suffix, encoder, _) in SOURCES.items():
        save(f"clips/{codec}.{suffix}", moving_block(24, 64, 80), codec=encoder)
    assert {r["status"] for r in folder().check()} == {"ok"}
