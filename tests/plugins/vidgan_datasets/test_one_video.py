"""One video alone: it trains, and the evaluation says what to do."""

from __future__ import annotations

from clips import moving_block, save
from conftest import TINY, Command


def test_one_video_trains_and_eval_says_what_to_do(vidgan: Command) -> None:
    save("clips/a.mkv", moving_block(40, 16, 16), codec="ffv1", pixels="bgr0")
    result = vidgan("run", "--data", "./clips", *TINY, "--steps", 1, "--out", "run")
    assert result.code == 0, result.err
    held_out = vidgan("eval", "run", "--metrics", "psnr")
    assert held_out.code == 2
    assert "--split train measures with training clips" in held_out.err
    few = vidgan("eval", "run", "--split", "train")
    assert few.code == 2
    assert "too few; more or longer videos, or clips of fewer frames" in few.err
