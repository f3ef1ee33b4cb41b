"""The files in a zip or a tar and where they lie, from its headers alone. Free of torch.

Names and sizes are claims of somebody unknown: whatever is wrong with a file is a reason for not
reading it. Runs in the processes with limits (`probe_worker.py`).
"""

from __future__ import annotations

import os
import posixpath
import stat
import struct
import tarfile
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from vidgan_core.media.member import MOST_INFLATED, Place
from vidgan_datasets.probe_limits import Damaged

LOCAL_HEADER = 30  # bytes of a zip's header in front of a file, without name and extras
ENCRYPTED = 1  # the flag of a zip's file
LEADS_OUT = "its name leads out of the archive"


class Entry(NamedTuple):
    """One file: its path in the archive, and where it lies or why it is not read."""

    path: str
    place: Place = Place(0, 0)
    refused: str = ""


def entries(path: Path) -> Iterator[Entry]:
    """Yield the files of an archive; of several with one name the last.

    Raises Damaged where the archive can't be read further, after what can be.
    """
    found: dict[str, Entry] = {}
    damage = ""
    try:
        for entry in (_of_zip if path.suffix.lower() == ".zip" else _of_tar)(path):
            named = _named(entry)
            found[named.path] = named
    except Damaged as error:
        damage = str(error)
    yield from found.values()
    if damage:
        raise Damaged(damage)


def _named(entry: Entry) -> Entry:
    """Return an entry with a path from the archive's root, refused if it leads elsewhere."""
    path = posixpath.normpath(entry.path)
    if entry.path.startswith("/") or ".." in entry.path.split("/") or "\0" in path:
        return Entry(entry.path, refused=LEADS_OUT)
    return entry._replace(path=path)


def _of_zip(path: Path) -> Iterator[Entry]:
    try:
        with ZipFile(path) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
    except (BadZipFile, NotImplementedError, struct.error, ValueError, EOFError) as error:
        raise Damaged(f"can't be read as a zip: {error}") from None
    _refuse_overlap(infos)
    with path.open("rb") as file:
        for info in infos:
            file.seek(info.header_offset)
            yield _of_zip_info(info, file.read(LOCAL_HEADER), os.fstat(file.fileno()).st_size)


def _of_zip_info(info: ZipInfo, header: bytes, end: int) -> Entry:
    """Return a file of a zip, given the header in front of it and the archive's length."""
    name = info.filename.replace("\\", "/")
    if refused := _zip_refusal(info, header):
        return Entry(name, refused=refused)
    names, extras = struct.unpack_from("<HH", header, LOCAL_HEADER - 4)
    place = Place(info.header_offset + LOCAL_HEADER + names + extras, info.compress_size)
    if place.offset + place.size > end:
        return Entry(name, refused="its end is missing")
    if info.compress_type == ZIP_DEFLATED:  # nothing in it needs no bytes
        place = place._replace(inflated=info.file_size, crc=info.CRC)
        place = place if info.file_size else Place(place.offset, 0)
    return Entry(name, place)


def _zip_refusal(info: ZipInfo, header: bytes) -> str:
    """Return why a file of a zip is not read, nothing if it is."""
    reasons = {
        "is encrypted": info.flag_bits & ENCRYPTED,
        "a link or device in an archive": stat.S_IFMT(info.external_attr >> 16)
        not in (0, stat.S_IFREG),
        "is compressed by another method than deflate": info.compress_type
        not in (ZIP_STORED, ZIP_DEFLATED),
        f"is compressed and beyond {MOST_INFLATED >> 20} MB; zip -0 stores it as it is": (
            info.compress_type == ZIP_DEFLATED and info.file_size > MOST_INFLATED
        ),
        "its header is damaged": len(header) < LOCAL_HEADER or not header.startswith(b"PK\3\4"),
    }
    return next((why for why, holds in reasons.items() if holds), "")


def _refuse_overlap(infos: Sequence[ZipInfo]) -> None:
    """Raise Damaged if files share bytes: so a small archive can hold any amount of data."""
    spans = sorted((info.header_offset, info.compress_size) for info in infos)
    for (start, size), (following, _) in pairwise(spans):
        if start + LOCAL_HEADER + size > following:
            raise Damaged("files in it overlap, as in a zip bomb")


def _of_tar(path: Path) -> Iterator[Entry]:
    count, end = 0, path.stat().st_size
    try:
        with tarfile.open(path, "r:") as archive:
            for info in archive:
                count += 1
                if not info.isdir():
                    yield _of_tar_info(info, end)
            assert archive.fileobj
            archive.fileobj.seek(archive.offset)
            rest = archive.fileobj.read(tarfile.BLOCKSIZE)
    except (tarfile.TarError, ValueError, OverflowError, EOFError) as error:
        raise Damaged(f"damaged after file {count}: {error}") from None
    if rest.strip(b"\0"):
        raise Damaged(f"damaged after file {count}: what follows is no header")


def _of_tar_info(info: tarfile.TarInfo, end: int) -> Entry:
    if not info.isreg() or info.issparse():
        what = "a link or device" if not info.issparse() else "a sparse file"
        return Entry(info.name, refused=f"{what} in an archive")
    if info.offset_data + info.size > end:
        return Entry(info.name, refused="its end is missing")
    return Entry(info.name, Place(info.offset_data, info.size))
