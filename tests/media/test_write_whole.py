"""A sample has its name once it is whole: after full disks, kills and errors on the way."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from vidgan_core.errors import VidganError
from vidgan_core.media.describe import read_mark
from vidgan_core.media.write import write_gif, write_long_mp4, write_mp4, write_png

MARK = {"generated-by": "vidgan"}
FRAMES = np.random.default_rng(0).integers(0, 256, (32, 64, 64, 3), np.uint8)
WRITERS: dict[str, Callable[[Path], object]] = {
    ".mp4": lambda path: write_mp4(path, FRAMES, fps=8, mark=MARK),
    ".gif": lambda path: write_gif(path, FRAMES, fps=8, mark=MARK),
    ".png": lambda path: write_png(path, FRAMES[0], mark=MARK),
}


@pytest.fixture
def little_room() -> Iterator[None]:
    """No file may be larger than 4 kB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("before", [None, b"what was there"])
def test_a_disk_that_takes_no_more_is_named_and_nothing_is_half_there(
    suffix: str, before: bytes | None, little_room: None
) -> None:
    path = Path("clip").with_suffix(suffix)
    if before:
        path.write_bytes(before)
    with pytest.raises(VidganError, match=f"can't write clip{suffix}: File too large"):
        WRITERS[suffix](path)
    assert os.listdir() == ([path.name] if before else [])
    assert not before or path.read_bytes() == before


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_full_disk_is_named(suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is on a disk whose every write fails with ENOSPC."""
    real = Path.open
    monkeypatch.setattr(
        Path, "open", lambda path, mode="r": real(Path("/dev/full"), mode) if "w" in mode else None
    )
    with pytest.raises(VidganError, match=f"can't write clip{suffix}: No space left on device"):
        WRITERS[suffix](Path("clip").with_suffix(suffix))


@pytest.mark.parametrize("suffix", WRITERS)
def test_any_name_that_the_system_takes_will_do(suffix: str) -> None:
    for name in ("a:b", "-", "a%03d", "é", "\udcff", "x" * 250, "http:"):
        path = Path("out") / f"{name}{suffix}"
        path.parent.mkdir(exist_ok=True)
        WRITERS[suffix](path)
        assert dict(read_mark(path) or {}) == MARK if name != "\udcff" else path.stat().st_size
    assert len(os.listdir("out")) == 7


def test_a_video_that_fails_on_the_way_leaves_what_was_there() -> None:
    def windows() -> Iterator[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
        yield FRAMES
        raise ValueError("the generator has failed")

    Path("a.mp4").write_bytes(b"before")
    with pytest.raises(ValueError, match="the generator has failed"):
        write_long_mp4(Path("a.mp4"), windows(), fps=8, mark=MARK)
    assert Path("a.mp4").read_bytes() == b"before"
    assert os.listdir() == ["a.mp4"]


KILLED = """
import os, signal, sys
import numpy as np
from pathlib import Path
from vidgan_core.media.write import write_long_mp4
def windows():
    yield np.zeros((64, 64, 64, 3), np.uint8)
    os.kill(os.getpid(), signal.SIGKILL)
    yield np.zeros((1, 64, 64, 3), np.uint8)
write_long_mp4(Path("a.mp4"), windows(), fps=8, mark={})
"""


def test_a_video_that_is_killed_never_had_its_name() -> None:
    done = subprocess.run([sys.executable, "-c", KILLED])
    assert done.returncode == -signal.SIGKILL
    assert not Path("a.mp4").exists()
