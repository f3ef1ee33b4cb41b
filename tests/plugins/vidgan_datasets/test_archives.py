"""Zip and tar read in place: the frames of the unpacked folder, and no trust in any of it."""

from __future__ import annotations

import io
import json
import os
import shutil
import struct
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import counting, folder, moving_block, numbers, save, save_frames
from conftest import TINY, Command
from PIL import Image
from vidgan_datasets.archive_answer import read_listing
from vidgan_datasets.archive_walk import look_archive

from vidgan_core.data.batch_loader import BatchLoader
from vidgan_core.data.prefetch import Prefetcher
from vidgan_core.errors import ClipError, UsageError
from vidgan_core.interfaces import Dataset
from vidgan_core.media.member import MOST_INFLATED, Member, Place


def zipped(path: str, root: str, compression: int = zipfile.ZIP_STORED) -> str:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for file in sorted(Path(root).rglob("*"), reverse=True):  # another order than the folder's
            archive.write(file, file.relative_to(root))
    return path


def tarred(path: str, root: str, form: int = tarfile.PAX_FORMAT) -> str:
    with tarfile.open(path, "w", format=form) as archive:
        archive.add(root, ".")
    return path


PACKERS: dict[str, Callable[[str], str]] = {
    "stored.zip": lambda root: zipped("stored.zip", root),
    "deflated.zip": lambda root: zipped("deflated.zip", root, zipfile.ZIP_DEFLATED),
    "pax.tar": lambda root: tarred("pax.tar", root),
    "gnu.tar": lambda root: tarred("gnu.tar", root, tarfile.GNU_FORMAT),
    "old.tar": lambda root: tarred("old.tar", root, tarfile.USTAR_FORMAT),
}


def video(path: str, seed: int = 0, frames: int = 9) -> None:
    save(path, moving_block(frames, 16, 16, seed), codec="ffv1", pixels="bgr0")


def tree(root: str) -> None:
    """One of each kind of video, below folders of two classes."""
    save(f"{root}/walk/a.mp4", moving_block(30, 32, 48, 1))
    video(f"{root}/walk/b.mkv", 2)
    save(f"{root}/run/c.gif", moving_block(12, 16, 16, 3), codec="gif", pixels="rgb8")
    save_frames(f"{root}/run/frames", counting(11))
    strip = np.concatenate(list(counting(8, 16)), axis=1)
    Image.fromarray(strip).save(f"{root}/run/strip.png")
    deep = np.full((16, 16), 700, np.uint16)
    for number in range(5):
        Path(f"{root}/walk/deep").mkdir(exist_ok=True)
        Image.fromarray(deep).save(f"{root}/walk/deep/{number}.png")
    animation = [Image.fromarray(frame) for frame in counting(7, 16)]
    animation[0].save(
        f"{root}/run/d.webp", save_all=True, append_images=animation[1:], lossless=True
    )
    Path(f"{root}/walk/a.txt").write_text("somebody walks")
    Path(f"{root}/run/frames.txt").write_text("somebody runs")
    Path(f"{root}/run/notes.md").write_text("no video")


def items(dataset: Dataset) -> list[dict[str, bytes]]:
    found = (dataset.item(index) for index in range(len(dataset)))
    return [{name: np.asarray(value).tobytes() for name, value in item.items()} for item in found]


@pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)
def test_an_archive_has_the_clips_of_its_unpacked_folder(pack: Callable[[str], str]) -> None:
    tree("clips")
    archive = pack("clips")
    options = {"classes": "folders", "captions": True}
    plain, packed = folder("clips", **options), folder(archive, **options, cache_gb=0)
    assert items(packed) == items(plain)
    assert packed.fingerprint == plain.fingerprint
    assert packed.fields == plain.fields
    assert packed.summary() == plain.summary()
    assert len({r["kind"] for r in packed.check() if r["status"] == "ok"}) == 4
    assert sorted(os.listdir(".")) == sorted(["clips", archive]), "nothing was extracted"


def test_archives_in_a_folder_are_folders() -> None:
    video("one/bikes/a.mkv", 1)
    video("two/b.mkv", 2)
    Path("clips/more").mkdir(parents=True)
    zipped("clips/part1.zip", "one")
    tarred("clips/cars.tar", "two")
    video("clips/vans/c.mkv", 3)
    zipped("clips/more/part2.zip", "two")
    dataset = folder(classes="folders")
    assert dataset.class_names == ["bikes", "cars", "more", "vans"]  # type: ignore[attr-defined]
    assert {r["name"] for r in dataset.check()} == {
        "part1.zip/bikes/a.mkv", "cars.tar/b.mkv", "more/part2.zip/b.mkv", "vans/c.mkv",
    }  # fmt: skip


def test_what_is_known_of_an_archive_is_kept_until_it_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number in range(3):
        video(f"clips/{number}.mkv", number)
    archive = zipped("clips.zip", "clips")
    before = folder(archive)
    windows = len(before)
    asked: list[object] = []
    monkeypatch.setattr("vidgan_datasets.probe.subprocess.Popen", asked_of(asked, subprocess.Popen))
    assert len(folder(archive)) == windows
    assert asked == []
    video("clips/3.mkv", 3)
    os.utime(zipped("clips.zip", "clips"), ns=(1, 1))
    assert len(folder(archive)) == windows * 4 // 3
    assert asked
    with pytest.raises(ClipError, match="changed"):
        before.item(0)
    Path(archive).unlink()
    with pytest.raises(ClipError):
        before.item(0)


def asked_of(asked: list[object], start: Callable[..., object]) -> Callable[..., object]:
    def popen(*arguments: object, **options: object) -> object:
        asked.append(arguments)
        return start(*arguments, **options)

    return popen


def test_list_files_name_what_is_in_archives() -> None:
    for number in range(4):
        video(f"clips/walk/v{number}.mkv", number)
    archive = tarred("clips.tar", "clips")
    Path("train.txt").write_text("walk/v0.mkv 1\nclips.tar/walk/v2.mkv\n")
    assert len(folder(archive, train_list="train.txt")) == 2 * 6


def test_worker_processes_read_archives() -> None:
    tree("clips")
    dataset = folder(zipped("clips.zip", "clips", zipfile.ZIP_DEFLATED), cache_gb=0)
    loader = BatchLoader(dataset, 4, 0)
    ahead = Prefetcher(loader, 1)
    try:
        for position in (0, 1, 2):
            found, lost = ahead(position)
            assert not lost
            assert np.array_equal(found["video"], loader(position)[0]["video"])
    finally:
        ahead.close()


def test_training_on_an_archive(vidgan: Command) -> None:
    video("clips/a.mkv")
    asked = (*TINY, "--data", zipped("clips.zip", "clips"), "--out", "run")
    assert vidgan("run", *asked, "--steps", 1).code == 0
    result = vidgan("run", *asked[:-2], "--steps", 2, "--resume", "run")
    assert result.code == 0, result.err


# Hostile archives: (name, reason) of what is refused, while the healthy video is used.


def add(archive: tarfile.TarFile, name: str, data: bytes = b"", **facts: object) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for fact, value in facts.items():
        setattr(info, fact, value)
    archive.addfile(info, io.BytesIO(data))


def test_files_of_a_tar_that_are_not_read() -> None:
    video("a.mkv")
    data = Path("a.mkv").read_bytes()
    Path("outside.mkv").write_bytes(data)
    nested = io.BytesIO()
    with tarfile.open(fileobj=nested, mode="w") as archive:
        add(archive, "b.mkv", data)
    with tarfile.open("clips.tar", "w") as archive:
        add(archive, "good.mkv", data)
        add(archive, "../outside.mkv", data)
        add(archive, "/absolute.mkv", data)
        add(archive, "sub/../../up.mkv", data)
        add(archive, "link.mkv", type=tarfile.SYMTYPE, linkname="/etc/passwd")
        add(archive, "hard.mkv", type=tarfile.LNKTYPE, linkname="good.mkv")
        add(archive, "pipe", type=tarfile.FIFOTYPE)
        add(archive, "disk", type=tarfile.BLKTYPE)
        add(archive, "inner.tar", nested.getvalue())
        add(archive, "empty.mkv")
        add(archive, "__MACOSX/._good.mkv", b"junk")
        add(archive, "a\n\x1b[2J.mkv", b"junk")
    records = {r["name"].removeprefix("clips.tar/"): r for r in folder("clips.tar").check()}
    assert {name for name, r in records.items() if r["status"] == "ok"} == {"good.mkv"}
    for name, reason in {
        "../outside.mkv": "leads out",
        "sub/../../up.mkv": "leads out",
        "link.mkv": "a link or device",
        "hard.mkv": "a link or device",
        "pipe": "a link or device",
        "disk": "a link or device",
        "inner.tar": "archive inside an archive",
        "empty.mkv": "empty",
    }.items():
        assert reason in records[name]["reason"], records[name]
    assert sum("leads out" in r["reason"] for r in records.values()) == 3
    assert len(records) == 11
    assert len(folder("clips.tar")) == 6


def test_files_of_a_zip_that_are_not_read() -> None:
    video("a.mkv")
    data = Path("a.mkv").read_bytes()
    with zipfile.ZipFile("clips.zip", "w") as archive:
        archive.writestr("good.mkv", data)
        archive.writestr("..\\up.mkv", data)
        archive.writestr("../up.mkv", data)
        link = zipfile.ZipInfo("link.mkv")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("bz.mkv", data, zipfile.ZIP_BZIP2)
        archive.writestr("secret.mkv", data)
        archive.writestr("huge.mkv", data, zipfile.ZIP_DEFLATED)
        archive.writestr("wrong.mkv", data, zipfile.ZIP_DEFLATED)
        archive.writestr("twice.mkv", b"first")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("twice.mkv", data)
    packed = bytearray(Path("clips.zip").read_bytes())
    patch(packed, "secret.mkv", 8, struct.pack("<H", 1))  # flags: encrypted
    patch(packed, "huge.mkv", 24, struct.pack("<I", MOST_INFLATED + 1))
    patch(packed, "wrong.mkv", 24, struct.pack("<I", len(data) - 1))
    Path("clips.zip").write_bytes(packed)
    records = {r["name"].removeprefix("clips.zip/"): r for r in folder("clips.zip").check()}
    good = {name for name, r in records.items() if r["status"] == "ok"}
    assert good == {"good.mkv", "twice.mkv"}
    for name, reason in {
        "link.mkv": "a link or device",
        "bz.mkv": "another method than deflate",
        "secret.mkv": "is encrypted",
        "huge.mkv": "beyond 256 MB",
        "wrong.mkv": "not what the archive says",
        "../up.mkv": "leads out",
    }.items():
        assert reason in records[name]["reason"], records[name]


def patch(packed: bytearray, name: str, offset: int, value: bytes) -> None:
    """Overwrite a part of a file's entry in the central directory of a zip."""
    entry = packed.rindex(name.encode()) - 46
    assert packed[entry : entry + 4] == b"PK\1\2"
    packed[entry + offset : entry + offset + len(value)] = value


def test_a_zip_whose_files_overlap_is_refused() -> None:
    with zipfile.ZipFile("bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(20):
            archive.writestr(f"{number:02}.mkv", bytes(10_000_000))
    packed = bytearray(Path("bomb.zip").read_bytes())
    for number in range(20):
        patch(packed, f"{number:02}.mkv", 42, struct.pack("<I", 0))  # all at the first file
    Path("bomb.zip").write_bytes(packed)
    (record,) = folder("bomb.zip").check()
    assert (record["status"], record["reason"]) == (
        "damaged", "files in it overlap, as in a zip bomb",
    )  # fmt: skip


def test_more_than_was_announced_is_never_inflated() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", bytes(50_000_000))
        (info,) = archive.infolist()
    Path("a.zip").write_bytes(packed.getvalue())
    for inflated in (1000, info.file_size + 1, MOST_INFLATED + 1):
        place = Place(31, info.compress_size, inflated, info.CRC)
        with pytest.raises(ValueError, match=r"not what|more than"):
            Member(Path("a.zip"), "a", place).open()
    whole = Member(Path("a.zip"), "a", Place(31, info.compress_size, info.file_size, info.CRC))
    assert whole.read_bytes() == bytes(50_000_000)


@pytest.mark.parametrize("pack", [PACKERS["deflated.zip"], PACKERS["pax.tar"]], ids=["zip", "tar"])
def test_whatever_a_damaged_archive_says_has_an_answer(pack: Callable[[str], str]) -> None:
    for number in range(3):
        save_frames(f"clips/{number}", counting(2, 16))
    archive = Path(pack("clips"))
    whole = archive.read_bytes()
    rng = np.random.default_rng(0)
    for kind in range(150):
        data = bytearray(whole)
        if kind % 3 == 0:
            data = data[: int(rng.integers(1, len(data)))]
        else:
            for place in rng.integers(0, len(data), 200 if kind % 3 == 1 else 3):
                data[place] ^= rng.integers(1, 256)
        archive.write_bytes(data)
        held = look_archive(archive, "auto", lambda count: None)["held"]
        assert held
        assert all(facts.get("refused") or facts["places"] for facts in held)


def test_a_part_of_a_tar_is_used() -> None:
    for number in range(3):
        video(f"clips/{number}.mkv", number)
    whole = Path(tarred("clips.tar", "clips")).read_bytes()
    with tarfile.open("clips.tar") as archive:
        last = archive.getmembers()[-1]
    Path("clips.tar").write_bytes(whole[: last.offset_data + 10])
    records = {r["name"]: (r["status"], r["reason"]) for r in folder("clips.tar").check()}
    assert records.pop("clips.tar") == ("damaged", "damaged after file 4: unexpected end of data")
    assert records.pop(f"clips.tar/{last.name.removeprefix('./')}")[1] == "its end is missing"
    assert {status for status, _ in records.values()} == {"ok"}
    assert len(records) == 2


@pytest.mark.parametrize("name", ["clips.tar.gz", "clips.tgz", "clips.tar.xz", "clips.tar.bz2"])
def test_compressed_tars_are_named_with_what_to_do(name: str) -> None:
    video("clips/a.mkv")
    Path("packed").mkdir()
    mode = {"gz": "w:gz", "tgz": "w:gz", "xz": "w:xz", "bz2": "w:bz2"}[name.rpartition(".")[2]]
    with tarfile.open(f"packed/{name}", mode) as archive:  # type: ignore[call-overload]
        archive.add("clips", "clips")
    (record,) = folder("packed").check()
    assert "a tar that is not compressed are read in place" in record["reason"]


def test_other_files_that_are_zips_inside_are_left_alone() -> None:
    video("clips/a.mkv")
    np.savez("clips/arrays.npz", a=np.zeros(3))
    shutil.copy("clips/a.mkv", "clips/wrong.zip")  # a video all the same
    records = folder().check()
    assert [(r["name"], r["status"]) for r in records] == [
        ("a.mkv", "ok"), ("arrays.npz", "other"), ("wrong.zip", "ok"),
    ]  # fmt: skip


def test_an_archive_without_files_is_no_video() -> None:
    zipfile.ZipFile("none.zip", "w").close()
    (record,) = folder("none.zip").check()
    assert record["reason"] == "an archive without files"
    with pytest.raises(UsageError, match="an archive without files"):
        len(folder("none.zip"))


def test_layout_and_limits_hold_in_archives() -> None:
    save_frames("clips/frames", counting(6))
    video("clips/a.mkv", frames=40)
    archive = zipped("clips.zip", "clips")
    records = folder(archive, layout="video", max_frames=5).check()
    reasons = {r["name"]: r["reason"] for r in records}
    assert "data.layout" in reasons["clips.zip/frames/f0.png"]
    assert "max_frames" in reasons["clips.zip/a.mkv"]
    assert numbers(folder(archive, max_frames=10).item(1)["video"]) == [1, 2, 3, 4]


HELD = {"name": "a.mkv", "kind": "video", "places": [[0, 10, 0, 0]]}
FRAMES = {"name": ".", "kind": "frames", "pictures": ["a", "b"], "places": [[0, 5, 0, 0]] * 2}
NO_LISTINGS: dict[str, object] = {
    "fine, without a list": {"status": "ok", "reason": ""},
    "a status that is a list": {"status": ["damaged"], "reason": "x"},
    "no reason": {"status": "damaged", "reason": ""},
    "an empty list": {"held": []},
    "no objects": {"held": [3]},
    "another key": {"held": [HELD | {"sha256": "0"}]},
    "no name": {"held": [{"refused": "x"}]},
    "no places": {"held": [{"name": "a", "kind": "video"}]},
    "no pictures": {"held": [{"name": "a", "kind": "frames", "places": [[0, 1, 0, 0]]}]},
    "fewer places than pictures": {"held": [FRAMES | {"places": [[0, 1, 0, 0]]}]},
    "another kind": {"held": [HELD | {"kind": "archive"}]},
    "a kind that is a list": {"held": [HELD | {"kind": ["video"]}]},
    "a place beyond the end": {"held": [HELD | {"places": [[95, 6, 0, 0]]}]},
    "a place before the start": {"held": [HELD | {"places": [[-1, 6, 0, 0]]}]},
    "a place that is true": {"held": [HELD | {"places": [[True, 6, 0, 0]]}]},
    "a place of words": {"held": [HELD | {"places": ["0123"]}]},
    "a bomb": {"held": [HELD | {"places": [[0, 6, MOST_INFLATED + 1, 0]]}]},
    "a name that is a number": {"held": [HELD | {"name": 3}]},
    "more was read than there is": {"read": 10**9},
}


def listing(answer: object) -> dict[str, Any]:
    return read_listing(io.StringIO(json.dumps(answer) + "\n"), 100, lambda count: None)


def test_good_listings_are_taken() -> None:
    refused = {"name": "x", "refused": "a link", "status": "other"}
    assert listing({"held": [HELD, FRAMES, refused]})["held"] == [HELD, FRAMES, refused]
    assert len(listing({"status": "refused", "reason": "x" * 5000})["reason"]) == 1000


@pytest.mark.parametrize("case", NO_LISTINGS)
def test_a_process_that_was_taken_over_lists_nothing(case: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        listing(NO_LISTINGS[case])
