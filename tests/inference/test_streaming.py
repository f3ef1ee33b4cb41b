"""Videos of any length: the same pixels as clips made at once, in the memory of a window."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Result

import vidgan_core
from vidgan_core.inference import sampler as sampling
from vidgan_core.media.describe import read_mark
from vidgan_core.media.pictures import grid, to_frames
from vidgan_core.media.video_source import read_video
from vidgan_core.media.write import write_mp4

Command = Callable[..., Result]
NARROW = (
    *("--gen", "twostream", "--batch", "2", "--steps", "1", "--device", "cpu"),
    *("--set", "generator.width=4", "--set", "discriminator.width=4"),
    *("--set", "callback.pictures.count=1"),
)


@pytest.fixture
def run(vidgan: Command) -> Path:
    small = ("--set", "data.frames=4", "--set", "data.size=16")
    assert vidgan("run", *NARROW, *small, "--out", "run").code == 0
    return Path("run")


def test_a_video_in_windows_is_the_video_in_one_piece(
    run: Path, vidgan: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "WINDOW", 7 * 3 * 3 * 16 * 16)  # seven frames of three clips
    result = vidgan("sample", run, "-n", 3, "--frames", 40, "--seed", 5, "-o", "video.mp4")
    assert result.out == "video.mp4\n"
    assert "40 frames, " in result.err
    sampler = vidgan_core.load(run)
    windows = list(sampler.in_windows(3, seed=5, frames=40))
    assert [window.shape[2] for window in windows] == [7, 7, 7, 7, 7, 5]
    clips = sampler.sample(3, seed=5, frames=40)
    torch.testing.assert_close(torch.cat(windows, dim=2), clips, rtol=1e-4, atol=1e-5)
    write_mp4(Path("whole.mp4"), grid(to_frames(clips)), fps=12.5, mark=sampler.mark(5))
    video, whole = (read_video(Path(name), 32, 32) for name in ("video.mp4", "whole.mp4"))
    assert video.shape == whole.shape
    assert np.abs(video.astype(int) - whole).mean() < 0.5
    assert read_mark(Path("video.mp4")) == sampler.mark(5)


def test_held_noise_is_held_in_windows(run: Path) -> None:
    sampler = vidgan_core.load(run)
    (window,) = sampler.in_windows(2, frames=6, hold=("content", "motion"))
    assert (window[0] - window[1]).abs().max() < 1e-6
    (free,) = sampler.in_windows(2, frames=6)
    assert (free[0] - free[1]).abs().max() > 1e-4


def test_a_generator_of_one_length_makes_one_window(vidgan: Command) -> None:
    assert vidgan("run", "--gen", "mlp", *NARROW[2:6], "--out", "mlp", "--set",
                  "data.frames=4", "--set", "data.size=16").code == 0  # fmt: skip
    assert [w.shape for w in vidgan_core.load("mlp").in_windows(2)] == [(2, 3, 4, 16, 16)]
    result = vidgan("sample", "mlp", "--frames", 5, "-o", "video.mp4")
    assert result.code == 2
    assert "can't make 5 frames" in result.err
    assert not Path("video.mp4").exists()


@pytest.mark.slow
def test_the_memory_of_a_long_video_is_that_of_a_short_one(vidgan: Command) -> None:
    """20,000 frames of 64x64: under 50 MB more at the end than after the first 1,000."""
    assert vidgan("run", *NARROW, "--out", "run").code == 0
    program = (
        "import resource, sys\n"
        "from vidgan_core import video\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "write, at = video.write_long_mp4, []\n"
        "def record_nonfinite_layers(path, windows, **options):\n"
        "    def counted():\n"
        "        done = 0\n"
        "        for window in windows:\n"
        "            done += len(window)\n"
        "            if done >= 1000 and not at: at.append(peak())\n"
        "            yield window\n"
        "    return write(path, counted(), **options)\n"
        "video.write_long_mp4 = watched\n"
        "from vidgan_core.cli import main\n"
        "sys.argv = ['vidgan', 'sample', 'run', '-n', '1', '--frames', '20000', '-o', 'long.mp4']\n"
        "try: main()\n"
        "finally: print(peak() - at[0])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[-1]) < 50
