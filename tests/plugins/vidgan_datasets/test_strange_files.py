"""Paths and files that nobody should meet, and what is reported of each."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from clips import SPEC, folder, moving_block, save, save_frames, save_sound, save_strip
from conftest import TINY, Result

Command = Callable[..., Result]
SECONDS, FRAMES = 20.0, 50_000
Outcome = tuple[str, str]  # status, words of the reason

OUTSIDE = Path("outside")
PORT = 0  # of a server that must not be asked anything


def text(content: str) -> Callable[[Path], None]:
    return lambda path: void(path.write_text(content.format(port=PORT, outside=OUTSIDE.resolve())))


def void(_: object) -> None:
    """Drop a result."""


def healthy(path: Path) -> None:
    save("healthy.mp4", moving_block(6)).replace(path)


def picture(path: Path) -> None:
    (save_frames("frames", moving_block(1)) / "f0.png").replace(path)


def link(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def bomb(path: Path) -> None:
    """A picture of 100,000 x 100,000 in a hundred bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"\0")), chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def huge(path: Path) -> None:
    save(path, np.zeros((1, 8192, 8192, 3), np.uint8), codec="libx264", preset="ultrafast")


def endless(path: Path) -> None:
    """60,000 frames: one packet, again and again."""
    with av.open(f"file:{path}", "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.height = stream.width = 16
        stream.pix_fmt = "yuvj420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
        packets = stream.encode(frame) + stream.encode(None)
        data = bytes(packets[0])
        for number in range(60_000):
            packet = av.Packet(data)
            packet.stream, packet.time_base = stream, Fraction(1, 25)
            packet.pts = packet.dts = number
            container.mux(packet)


def truncated(path: Path) -> None:
    healthy(path)
    os.truncate(path, path.stat().st_size * 2 // 3)


def half_a_picture(path: Path) -> None:
    picture(path)
    os.truncate(path, path.stat().st_size // 2)


def bound_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def device(path: Path) -> None:
    try:
        os.mknod(path, 0o20666, os.makedev(1, 5))  # /dev/zero: endless
    except PermissionError:
        path.symlink_to("/dev/zero")


STRANGE: dict[str, tuple[Callable[[Path], None], Outcome]] = {
    "pipe.mp4": (os.mkfifo, ("refused", "a named pipe")),
    "socket.mp4": (bound_socket, ("refused", "a socket")),
    "device.mp4": (device, ("refused", "")),
    "loop.mp4": (link("loop.mp4"), ("refused", "symbolic links")),
    "dangling.mp4": (link("nothing.mp4"), ("refused", "No such file")),
    "out.mp4": (link("../outside/canary.mp4"), ("refused", "leaves the folder")),
    "outdir": (link("../outside"), ("refused", "leaves the folder")),
    "round": (link("."), ("refused", "a link to something in the same folder")),
    "twin.mp4": (link("-dash.mp4"), ("refused", "a link to something in the same folder")),
    "folder.mp4": (Path.mkdir, ("", "")),
    "-dash.mp4": (healthy, ("ok", "")),
    os.fsdecode(b"bytes\xff\xfe.mp4"): (healthy, ("ok", "")),
    "new\nline\x1b[2J\u202e.mp4": (text("x"), ("damaged", "can't be read")),
    "n" * 251 + ".mp4": (healthy, ("ok", "")),
    "http:x.mp4": (healthy, ("ok", "")),
    "concat:a.mp4|b.mp4": (healthy, ("ok", "")),
    "pipe:0": (healthy, ("ok", "")),
    "subfile,,start,0,end,0,,:x.mp4": (healthy, ("ok", "")),
    "data:video;base64,AAAA.mp4": (healthy, ("ok", "")),
    "pattern/%03d.png": (picture, ("ok", "")),
    "ffconcat.mp4": (
        text("ffconcat version 1.0\nfile '{outside}/canary.mp4'\n"),
        ("damaged", "a playlist"),
    ),
    "m3u8.mp4": (
        text(
            "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n"
            "http://127.0.0.1:{port}/a.ts\n#EXTINF:1,\n{outside}/canary.mp4\n#EXT-X-ENDLIST\n"
        ),
        ("damaged", "a playlist"),
    ),
    "list.m3u8": (
        text(
            "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{outside}/canary.ts\n"
            "#EXTINF:1,\nhttp://127.0.0.1:{port}/a.ts\n#EXT-X-ENDLIST\n"
        ),
        ("other", "a playlist"),
    ),
    "sdp.mp4": (
        text("v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video {port} RTP/AVP 96\n"),
        ("damaged", "a stream's description"),
    ),
    "dash.mp4": (
        text('<?xml version="1.0"?><MPD><BaseURL>http://127.0.0.1:{port}/</BaseURL></MPD>'),
        ("damaged", "can't be read"),
    ),
    "lfs.mp4": (text("version https://git-lfs.github.com/spec/v1\n"), ("damaged", "git-LFS")),
    "page.mp4": (text("\n<!DOCTYPE html><html>404</html>"), ("damaged", "a web page")),
    "empty.mp4": (Path.touch, ("damaged", "empty")),
    "zeros.mp4": (lambda p: void(p.write_bytes(bytes(100_000))), ("damaged", "can't be read")),
    "notes.txt": (text("hello"), ("other", "can't be read")),
    "sound.mp4": (lambda p: void(save_sound(p)), ("other", "only sound")),
    "cut.mp4": (truncated, ("damaged", "")),
    "half/a.png": (half_a_picture, ("damaged", "a.png: ")),
    "bomb/a.png": (bomb, ("refused", "100000x100000 is beyond data.max_megapixels")),
    "huge.mp4": (huge, ("refused", "8192x8192 is beyond data.max_megapixels")),
    "endless.mov": (endless, ("refused", "more than data.max_frames = 50000 frames")),
    "/".join("deep" * 12) + "/x.mp4": (healthy, ("ok", "")),
}


def record_name(name: str) -> str:
    """A picture is named by its folder."""
    return name.rpartition("/")[0] if name.endswith(".png") else name


@contextmanager
def nobody_asks() -> Iterator[int]:
    """Listen on a port; afterwards fail if anybody has called."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


@contextmanager
def nobody_opens(folder: Path) -> Iterator[None]:
    """Watch a folder by inotify; afterwards fail if a file in it was opened."""
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(os.O_NONBLOCK)
    assert libc.inotify_add_watch(watch, os.fsencode(folder), 0x20) >= 0  # IN_OPEN
    yield
    opened = []
    with suppress(BlockingIOError):
        events = os.read(watch, 65536)
        while events:
            _, mask, _, length = struct.unpack_from("iIII", events)
            if not mask & 0x40000000:  # IN_ISDIR: listing is no opening
                opened.append(events[16 : 16 + length].rstrip(b"\0"))
            events = events[16 + length :]
    os.close(watch)
    assert not opened


def test_strange_files_are_each_reported_and_touch_nothing_else(
    vidgan: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    OUTSIDE.mkdir()
    for name in ("canary.mp4", "canary.ts"):
        save(OUTSIDE / name, moving_block(6), codec="libx264")
    with nobody_asks() as port:
        monkeypatch.setitem(globals(), "PORT", port)
        for name, (make, _) in STRANGE.items():
            path = Path("clips") / name
            path.parent.mkdir(parents=True, exist_ok=True)
            make(path)
        before = threading.active_count()
        started = time.monotonic()
        with nobody_opens(OUTSIDE):
            dataset = folder(max_seconds=SECONDS, max_frames=FRAMES)
            found = {r["name"]: (r["status"], r["reason"]) for r in dataset.check()}
        assert time.monotonic() - started < SECONDS * 3
        assert threading.active_count() <= before + 1
    for name, (_, (status, words)) in STRANGE.items():
        if status:
            assert found[record_name(name)][0] == status, (name, found[record_name(name)])
            assert words in found[record_name(name)][1], name
    result = vidgan("data", "check", "./clips", "--set", f"data.max_frames={FRAMES}")
    assert result.code == 4
    assert "\x1b" not in result.out
    assert r"new\nline\x1b[2J\u202e.mp4: damaged" in result.out
    assert len(result.out.splitlines()) == sum(s not in ("ok", "") for s, _ in found.values())
    windows = [dataset.item(i)["video"].shape for i in range(len(dataset))]
    assert set(windows) == {SPEC.shape}
    assert len(windows) == 3 * sum(make is healthy for make, _ in STRANGE.values())


def test_a_second_look_opens_nothing() -> None:
    save("clips/a.mp4", moving_block(6))
    save_frames("clips/b", moving_block(6))
    save_strip("clips/c.png", moving_block(6, 16, 16))
    first = folder().check()
    with nobody_opens(Path("clips")), nobody_opens(Path("clips/b")):
        assert folder().check() == first


def test_the_watches_would_notice() -> None:
    OUTSIDE.mkdir()
    (OUTSIDE / "canary").touch()
    with pytest.raises(AssertionError, match="canary"), nobody_opens(OUTSIDE):
        (OUTSIDE / "canary").read_bytes()
    with pytest.raises(pytest.fail.Exception), nobody_asks() as port:
        socket.create_connection(("127.0.0.1", port)).close()


@pytest.mark.skipif(os.geteuid() == 0, reason="the administrator may read everything")
def test_what_may_not_be_read_is_named() -> None:
    healthy_one = save("clips/a.mp4", moving_block(6))
    save("clips/b.mp4", moving_block(6))
    Path("clips/shut").mkdir(mode=0)
    healthy_one.chmod(0)
    found = {r["name"]: r["reason"] for r in folder().check()}
    assert "Permission denied" in found["a.mp4"]
    assert "Permission denied" in found["shut"]


def test_a_folder_of_nothing_good_ends_soon_and_says_why(vidgan: Command) -> None:
    Path("clips/a/b").mkdir(parents=True)
    for number in range(30):
        Path(f"clips/{number}.mp4").write_text("no video")
    started = time.monotonic()
    result = vidgan("run", "--data", "./clips", *TINY)
    assert result.code == 2
    assert result.err.count("can't be read as a video") == 3
    assert time.monotonic() - started < 5


def test_a_reader_that_hangs_or_dies_is_a_line_and_not_the_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Real processes, which do what a decoder's bug would do on the video of that name."""
    program = tmp_path / "patched" / "sitecustomize.py"
    program.parent.mkdir()
    program.write_text(
        "import os, signal, sys\n"
        "def act(event, arguments):\n"
        "    path = str(arguments[0]) if event == 'open' else ''\n"
        "    if 'crash/f0' in path: os.kill(os.getpid(), signal.SIGSEGV)\n"
        "    if 'hang/f0' in path: signal.pause()\n"
        "    if 'eat/f0' in path: bytearray(2**31)\n"
        "if 'vidgan_datasets.probe_worker' in ' '.join(sys.orig_argv): sys.addaudithook(act)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(program.parent))
    for name in ("crash", "hang", "eat", "fine"):
        save_frames(f"clips/{name}", moving_block(5))
    found = {
        r["name"]: (r["status"], r["reason"])
        for r in folder(max_seconds=4.0, max_gigabytes=1.0).check()
    }
    assert found == {
        "crash": ("damaged", "killed its reader: SIGSEGV"),
        "hang": ("refused", "no progress within data.max_seconds = 4"),
        "eat": ("refused", "needs more memory than data.max_gigabytes = 1"),
        "fine": ("ok", ""),
    }
