"""safetensors and JSON as data that nobody vouches for: everything is checked before it is read.

A safetensors file is the header's length (8 bytes, little endian), the header, which is JSON of
``{"name": {"dtype": "F32", "shape": [4, 3], "data_offsets": [0, 48]}}``, and the tensors' bytes
back to back. The library's own reader takes any name, duplicate keys among them, and has no
checksum; its writer copies everything three times.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from vidgan_core import memory
from vidgan_core.errors import CheckpointError

MAX_JSON = 16 << 20  # bytes, of a header or of a JSON file
MAX_VALUES = 400_000  # in one JSON: some 20 a tensor
MAX_DEPTH = 32
MAX_TENSORS = 20_000
MAX_DIMENSIONS = 8

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_NAMES = {dtype: name for name, dtype in DTYPES.items()}
_PLAIN = re.compile(r"[A-Za-z0-9_./-]{1,1000}")

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Entry:
    """What a header says of one tensor; `begin` and `end` count from the header's end."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    begin: int
    end: int


def parts(tensors: Mapping[str, Tensor]) -> list[memoryview]:
    """Return the content of a safetensors file in pieces: the header, then each tensor's bytes.

    Nothing is copied that lies on the CPU in the plain layout. The same tensors give the same
    bytes. Raises CheckpointError for a name that reading would refuse.
    """
    # The widest types first, so that every tensor is aligned in a file that is mapped to memory.
    ordered = sorted(tensors.items(), key=lambda item: (-item[1].element_size(), item[0]))
    header: dict[str, Any] = {}
    pieces: list[memoryview] = []
    at = 0
    for name, tensor in ordered:
        if problem := _bad_name(name):
            raise CheckpointError(f"tensor {name!r} can't be saved: {problem}")
        data = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
        header[name] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [at, at + len(data)],
        }
        at += len(data)
        pieces.append(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return [memoryview(len(text).to_bytes(8, "little") + text), *pieces]


def open_regular(path: Path) -> BufferedReader:
    """Open a file for reading, unless it is a pipe or a device, which might never end."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise CheckpointError(f"{path} is not a regular file")
    except OSError as error:
        raise CheckpointError(f"{path} can't be read: {error.strerror}") from None
    return os.fdopen(descriptor, "rb")


def read_json(path: Path, file: BinaryIO) -> dict[str, Any]:
    """Read a JSON object of bounded size. Raises CheckpointError."""
    data = file.read(MAX_JSON + 1)
    if len(data) > MAX_JSON:
        raise CheckpointError(f"{path} is larger than {MAX_JSON:,} bytes")
    try:
        return strict_json(data)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not valid JSON: {error}") from None


def strict_json(data: bytes) -> dict[str, Any]:
    """Parse an object. Raises ValueError (RecursionError) for one that is deep, repeats a key,
    holds very many values or a number that is not finite.
    """
    # Every value but the first comes after a comma or an opening bracket.
    if sum(map(data.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise ValueError(f"it holds more than {MAX_VALUES:,} values")
    value = json.loads(data, object_pairs_hook=_unique, parse_float=_finite, parse_constant=_finite)
    if not isinstance(value, dict):
        raise ValueError("it does not hold an object")
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _inside(outer)]
    if level:
        raise ValueError(f"it is nested more than {MAX_DEPTH} deep")
    return value


def read_header(path: Path, file: BinaryIO, size: int) -> dict[str, Entry]:
    """Read the header of a safetensors file of `size` bytes and check all that it declares."""
    length = int.from_bytes(file.read(8), "little")
    if length > MAX_JSON:
        raise CheckpointError(f"{path}: its header is larger than {MAX_JSON:,} bytes")
    if 8 + length > size:
        raise CheckpointError(f"{path} is damaged: it ends within its header")
    try:
        header = strict_json(file.read(length))
        header.pop("__metadata__", None)
        if len(header) > MAX_TENSORS:
            raise ValueError(f"it declares more than {MAX_TENSORS:,} tensors")
        entries = {name: _entry(name, value) for name, value in header.items()}
        _check_places(list(entries.values()), size - 8 - length)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} has an invalid header: {error}") from None
    return entries


def check_memory(what: str, needed: int) -> None:
    """Raise CheckpointError if `needed` bytes are more than there are."""
    memory.check_memory(what, needed, CheckpointError)


def _entry(name: str, value: Any) -> Entry:
    if problem := _bad_name(name):
        raise ValueError(f"tensor {name[:100]!a}: {problem}")
    if not isinstance(value, dict) or value.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"tensor {name!r} must have dtype, shape and data_offsets")
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise ValueError(f"tensor {name!r} has the unknown type {ascii(dtype)[:100]}")
    if not _naturals(shape) or len(shape) > MAX_DIMENSIONS:
        raise ValueError(f"tensor {name!r} has an impossible shape")
    if not _naturals(offsets) or len(offsets) != 2:
        raise ValueError(f"tensor {name!r} has impossible offsets")
    begin, end = offsets
    if math.prod(shape) * DTYPES[dtype].itemsize != end - begin:
        raise ValueError(f"tensor {name!r} has a shape that doesn't fit its bytes")
    return Entry(DTYPES[dtype], tuple(shape), begin, end)


def _check_places(entries: Sequence[Entry], size: int) -> None:
    """The tensors lie back to back and fill the file."""
    at = 0
    for entry in sorted(entries, key=lambda e: (e.begin, e.end)):
        if entry.begin != at:
            raise ValueError("its tensors overlap or leave gaps")
        at = entry.end
    if at != size:
        raise ValueError(f"it declares {at} bytes of tensors and has {size}")


def _bad_name(name: str) -> str:
    if not _PLAIN.fullmatch(name):
        return "a name may hold letters, digits and _ . / - alone"
    return "a name must not hold '..'" if ".." in name else ""


def _naturals(value: Any) -> bool:
    """Is it a list of whole numbers that a file's size could be?"""
    return isinstance(value, list) and all(type(n) is int and 0 <= n < 2**53 for n in value)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        raise ValueError("a key is repeated")
    return table


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError("it holds a number that is not finite")
    return number


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
