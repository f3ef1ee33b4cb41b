"""A file inside an archive, read where it lies: nothing is extracted. Free of torch."""

from __future__ import annotations

import io
import os
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple, TypeAlias

MOST_INFLATED = 2**28  # bytes of a compressed file: it is held in memory as a whole


class Place(NamedTuple):
    """Where the bytes of a file are in an archive: from `offset`, `size` of them.

    `inflated` says how many they are once inflated; 0 where they are stored as they are. Then `crc`
    is their checksum.
    """

    offset: int
    size: int
    inflated: int = 0
    crc: int = 0


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive; offers what is used of a `Path` to read a file."""

    archive: Path
    path: str
    place: Place

    @property
    def name(self) -> str:
        """The last part of its path."""
        return PurePosixPath(self.path).name

    @property
    def suffix(self) -> str:
        """The end of its name, with the dot."""
        return PurePosixPath(self.path).suffix

    def open(self, mode: str = "rb") -> IO[bytes]:
        """Open it to be read. Raises OSError or, where it does not inflate, ValueError."""
        assert mode == "rb"
        window = _Window(self)
        if not self.place.inflated:
            return io.BufferedReader(window, 2**16)
        with window:
            return io.BytesIO(_inflated(window.readall(), self.place))

    def read_bytes(self) -> bytes:
        """Return the content."""
        with self.open() as file:
            return file.read()


File: TypeAlias = Path | Member


def _inflated(packed: bytes, place: Place) -> bytes:
    """Return inflated bytes, as many as were announced and not one more is made."""
    if place.inflated > MOST_INFLATED:
        raise ValueError(f"more than {MOST_INFLATED >> 20} MB once it is inflated")
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = inflater.decompress(packed, place.inflated + 1)
    except zlib.error as error:
        raise ValueError(f"it can't be inflated: {error}") from None
    if len(data) != place.inflated or zlib.crc32(data) != place.crc:
        raise ValueError("it is not what the archive says it is")
    return data


class _Window(io.RawIOBase):
    """A part of a file as a file of its own."""

    def __init__(self, member: Member) -> None:
        self._file = member.archive.open("rb", buffering=0)
        self._start, self._size, self._at = member.place.offset, member.place.size, 0
        self.name = f"member{ascii(member.suffix)[1:-1]}"  # some formats are told by their suffix

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise OSError("a place before the start of a file")
        self._at = start + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        room = memoryview(buffer)[: max(0, self._size - self._at)]
        self._file.seek(self._start + self._at)
        count = self._file.readinto(room) or 0
        self._at += count
        return count

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
