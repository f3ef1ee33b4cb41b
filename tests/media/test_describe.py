"""`vidgan inspect` of files that mean harm: one line, soon, and nothing else is opened."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from clips import moving_block, save, save_bomb
from conftest import Command
from PIL import Image

from vidgan_core.errors import VidganError
from vidgan_core.media.describe import describe


@pytest.mark.parametrize(
    "text",
    ["ffconcat version 1.0\nfile '{other}'\n", "#EXTM3U\n#EXTINF:1,\n{other}\n#EXT-X-ENDLIST\n"],
)
def test_playlists_are_not_followed(text: str) -> None:
    other = save("other.mp4", moving_block(4)).resolve()
    for name in ("list.mp4", "list.m3u8"):
        Path(name).write_text(text.format(other=other))
        with pytest.raises(VidganError, match="neither a video nor a picture"):
            describe(Path(name))


def test_the_frames_of_a_gif_are_counted_without_decoding_them() -> None:
    save("a.gif", moving_block(20, 30, 40))
    assert describe(Path("a.gif"))["frames"] == 20
    data = Path("a.gif").read_bytes()
    Image.new("L", (8, 8)).save("one.gif")
    assert describe(Path("one.gif"))["frames"] == 1
    start = data.index(b"!\xf9")  # the first picture's block: again and again
    pictures = data[start:-1]
    Path("long.gif").write_bytes(data[:start] + pictures * 2000 + b";")
    started = time.monotonic()
    assert describe(Path("long.gif"))["frames"] == 40_000
    assert time.monotonic() - started < 5


def test_a_bomb_is_refused_before_it_goes_off() -> None:
    with pytest.raises(VidganError):
        describe(save_bomb("bomb.png", 60_000, 60_000))


@pytest.mark.parametrize("name", ["a.mp4", "a.gif", "a.webm", "a.png", "a.jpg", "a.tif", "a.webp"])
@pytest.mark.parametrize("count", [60, pytest.param(400, marks=pytest.mark.slow)])
def test_mutated_files_are_described_or_refused_in_one_line(
    count: int, name: str, vidgan: Command, record_property: Callable[[str, object], None]
) -> None:
    if name.endswith(("mp4", "gif", "webm")):
        original = save(name, moving_block(6, 32, 32)).read_bytes()
    else:
        Image.fromarray(moving_block(1, 32, 32)[0]).save(name)
        original = Path(name).read_bytes()
    rng = random.Random(f"{name}/{count}")
    refused = 0
    for _ in range(count):
        data = bytearray(original)
        for _ in range(rng.randrange(1, 20)):
            data[rng.randrange(min(len(data), 400))] = rng.randrange(256)
        Path(name).write_bytes(data[: rng.randrange(1, len(data) + 1)])
        try:
            describe(Path(name))
        except VidganError as error:
            assert "\n" not in str(error)
            refused += 1
    Path("new\nline.mp4").write_bytes(b"noise")
    result = vidgan("inspect", "new\nline.mp4")
    assert result.code == 1
    assert len(result.err.splitlines()) == 1
    record_property(
        f"mutated {name}, inspected",
        f"{count} of {count}: {count - refused} described, {refused} refused in a line",
    )
