"""Hostile model files: an honest checkpoint with one thing changed, and what refuses it."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from vidgan_core.runs.checkpoint import MANIFEST, MODEL, STATE

Header = dict[str, Any]


class Forge:
    """A copy of the checkpoint to change at will, with a manifest that vouches for the result."""

    def __init__(self, honest: Path) -> None:
        self.path = Path(shutil.copytree(honest, "forged"))
        data = (self.path / MODEL).read_bytes()
        length = struct.unpack("<Q", data[:8])[0]
        self.header: Header = json.loads(data[8 : 8 + length])
        self.body = data[8 + length :]
        self.state = json.loads((self.path / STATE).read_bytes())

    def model(self, header: bytes | None = None, length: int | None = None) -> None:
        text = json.dumps(self.header).encode() if header is None else header
        size = struct.pack("<Q", len(text) if length is None else length)
        (self.path / MODEL).write_bytes(size + text + self.body)

    def rewrite(self, text: bytes | None = None) -> None:
        data = json.dumps(self.state).encode() if text is None else text
        (self.path / STATE).write_bytes(data)

    def seal(self) -> None:
        seal(self.path, (MODEL, STATE))


def seal(folder: Path, names: Iterable[str]) -> None:
    """Write a checkpoint's manifest for its files as they are."""
    manifest: dict[str, Any] = {}
    for name in names:
        file = folder / name
        if file.is_file():
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            manifest[name] = {"size": file.stat().st_size, "sha256": digest}
    text = json.dumps(manifest, indent=1, sort_keys=True).encode()
    manifest[MANIFEST] = {"sha256": hashlib.sha256(text).hexdigest()}
    (folder / MANIFEST).write_text(json.dumps(manifest))


FIRST = "generator.layers.0.weight"


def renamed(name: str) -> Callable[[Forge], None]:
    def forge(it: Forge) -> None:
        it.header[name] = it.header.pop(FIRST)
        it.model()

    return forge


def declared(**changes: Any) -> Callable[[Forge], None]:
    def forge(it: Forge) -> None:
        it.header[FIRST] |= changes
        it.model()

    return forge


def reported(*path: str, value: Any) -> Callable[[Forge], None]:
    def forge(it: Forge) -> None:
        table = it.state
        for key in path[:-1]:
            table = table[key]
        table[path[-1]] = value
        it.rewrite()

    return forge


def body(change: Callable[[bytes], bytes]) -> Callable[[Forge], None]:
    def forge(it: Forge) -> None:
        it.body = change(it.body)
        it.model()

    return forge


def raw_state(text: str) -> Callable[[Forge], None]:
    return lambda it: it.rewrite(text.encode())


def many_tensors(it: Forge) -> None:
    it.header = {
        f"w{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(20_001)
    }
    it.body = b""
    it.model()


def larger_than_memory(it: Forge) -> None:
    """A sparse file of a terabyte whose header is right."""
    size = 1 << 40
    it.header = {"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}
    it.body = b""
    it.model()
    length = (it.path / MODEL).stat().st_size
    os.truncate(it.path / MODEL, length + size)


def not_a_number(it: Forge) -> None:
    begin = it.header[FIRST]["data_offsets"][0]
    it.body = it.body[:begin] + struct.pack("<f", math.nan) + it.body[begin + 4 :]
    it.model()


def of_type(name: str, size: int) -> Callable[[Forge], None]:
    """All weights of another type, the header in order."""

    def forge(it: Forge) -> None:
        at = 0
        for entry in it.header.values():
            if entry["dtype"] == "F32":
                length = math.prod(entry["shape"]) * size
                entry |= {"dtype": name}
            else:
                begin, end = entry["data_offsets"]
                length = end - begin
            entry["data_offsets"] = [at, at + length]
            at += length
        it.body = bytes(at)
        it.model()

    return forge


def deep(it: Forge) -> None:
    """A generator whose depth is an option."""
    config = it.state["config"]
    config["generator"] = {"name": "modern", "spectral_norm": False, "depth": 100}
    it.rewrite()


def a_pipe(it: Forge) -> None:
    (it.path / MODEL).unlink()
    os.mkfifo(it.path / MODEL)


def a_device(it: Forge) -> None:
    (it.path / STATE).unlink()
    (it.path / STATE).symlink_to("/dev/zero")


DEEP = "[" * 200_000 + "]" * 200_000
WIDE = json.dumps({"x": [[] for _ in range(500_000)]})
HOSTILE: dict[str, tuple[Callable[[Forge], None], str]] = {
    "header over 16 MB": (lambda it: it.model(b"{" + b" " * (17 << 20) + b"}"), "header is larger"),
    "header of 2**60 bytes": (lambda it: it.model(length=2**60), "header is larger"),
    "header past the end": (lambda it: it.model(length=10**6), "ends within its header"),
    "empty file": (lambda it: (it.path / MODEL).write_bytes(b"") and None, "ends within"),
    "no JSON": (lambda it: it.model(b"\x80\x04cos\nsystem\n(S'true'\ntR."), "invalid header"),
    "a list": (lambda it: it.model(b"[]"), "not hold an object"),
    "deep header": (lambda it: it.model(DEEP.encode()), "values|deep|recursion"),
    "wide header": (lambda it: it.model(WIDE.encode()), "more than 400,000 values"),
    "many tensors": (many_tensors, "more than 20,000 tensors"),
    "repeated key": (
        lambda it: it.model(json.dumps(it.header)[:-1].encode() + f', "{FIRST}": {{}}}}'.encode()),
        "repeated",
    ),
    "path as a name": (renamed("../../etc/passwd"), "must not hold '..'"),
    "escape in a name": (renamed("layers\x1b[2J"), "letters, digits"),
    "blank in a name": (renamed("layers 0"), "letters, digits"),
    "unknown type": (declared(dtype="PICKLE"), "unknown type"),
    "negative shape": (declared(shape=[-1, 8]), "impossible shape"),
    "huge shape": (declared(shape=[2**40, 2**40]), "doesn't fit its bytes"),
    "wrong offsets": (declared(data_offsets=[4, 8]), "doesn't fit its bytes"),
    "bytes that are not there": (body(lambda b: b[:-4]), "declares"),
    "bytes too many": (body(lambda b: b + b"x"), "declares"),
    "another name": (renamed("other"), "should be absent"),
    "larger than memory": (larger_than_memory, "bytes of memory"),
    "weights that are NaN": (not_a_number, "not finite"),
    "a pipe": (a_pipe, "not a regular file"),
    "a device": (a_device, "not a regular file"),
    "deep state": (raw_state('{"config": ' + "[" * 50 + "]" * 50 + "}"), "nested more than 32"),
    "state with NaN": (raw_state('{"step": NaN}'), "not finite"),
    "state with infinity": (raw_state('{"step": 1e999}'), "not finite"),
    "option out of bounds": (reported("config", "generator", "width", value=0), "greater than"),
    "unknown option": (reported("config", "generator", "exec", value="x"), "not permitted"),
    "depth of 100": (deep, "network of more"),
    "frames of a video": (reported("spec", "frames", value=2**20), "at most 4096 frames"),
    "pixels of a wall": (reported("spec", "width", value=2**20), "16384 pixels a side"),
    "doubles": (of_type("F64", 8), "should be torch.float32 and is torch.float64"),
    "half precision": (of_type("F16", 2), "should be torch.float32 and is torch.float16"),
    "integers for weights": (of_type("I32", 4), "should be torch.float32 and is torch.int32"),
    "another width": (reported("config", "generator", "width", value=10**6), "out of memory"),
    "width of 10**30": (reported("config", "generator", "width", value=10**30), "does not fit"),
    "clip of a petabyte": (reported("spec", "frames", value=2**40), "at most 4096 frames"),
    "no configuration": (reported("config", value={}), "Field required"),
    "step that is a path": (reported("step", value="/etc/passwd"), "step"),
}  # fmt: skip
