"""What files with a video's name tell: captions as tokens, classes; through training to samples."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from clips import counting, folder, moving_block, save, save_frames
from conftest import TINY, Command
from vidgan_datasets.sidecars import MOST_BYTES, all_sidecars, parsed, sidecars_of

import vidgan_core
from vidgan_core.data.words import tokens, vocabulary, words
from vidgan_core.errors import UsageError
from vidgan_core.interfaces import Field
from vidgan_core.runs import checkpoint

CAPTIONS = ("--set", "data.captions=true", "--set", 'condition=["caption"]')


def video(path: str, caption: str = "", seed: int = 0) -> None:
    save(path, moving_block(12, 16, 16, seed), codec="ffv1", pixels="bgr0")
    if caption:
        Path(path).with_suffix(".txt").write_text(caption, "utf-8")


def test_words_are_small_letters_without_punctuation() -> None:
    assert words("A dog's RUN, über 3 hills_now!") == [
        "a",
        "dog's",
        "run",
        "über",
        "3",
        "hills",
        "now",
    ]
    known = vocabulary(["b a", "a c", "c d"], 3)
    assert known == ("", "<unknown>", "a", "c", "b")
    field = Field("caption", "tokens", (4,), len(known), known)
    assert tokens("A c? z", field).tolist() == [2, 3, 1, 0]
    assert tokens("a a a a a a", field).tolist() == [2, 2, 2, 2]
    assert tokens("<unknown> \x00", field).tolist() == [1, 0, 0, 0]


def test_files_of_a_video_are_found_by_its_name() -> None:
    there = ["0001.mp4", "0001.txt", "a.b.mp4", "a.txt", "a.b.json", "readme.txt", "walk.txt"]
    assert sidecars_of("0001.mp4", there) == ("0001.txt",)
    assert sidecars_of("a.b.mp4", there) == ("a.b.json", "a.txt")
    assert all_sidecars(there, ["walk"]) == {"0001.txt", "a.txt", "a.b.json", "walk.txt"}


def test_what_files_tell() -> None:
    told = {".json": b'{"text": "x", "class": 3}', ".txt": "\ufeffa dog\n".encode(), ".cls": b""}
    assert parsed(told) == {"caption": "a dog", "label": "3"}
    for junk in (b"[", b"[1]", b'{"caption": {}}', b"{" * 60_000, b"\xff\xfe", b"[" * 60_000):
        assert parsed({".json": junk}) == {"caption": "", "label": ""}


def test_captions_are_tokens_of_the_training_words() -> None:
    for number in range(8):
        video(f"clips/{number}.mkv", f"clip number{number}" * (number < 7), number)
    train, test = (
        folder("clips", split, captions=True, held_out=0.4) for split in ("train", "test")
    )
    (field,) = train.fields
    assert test.fields == (field,)
    assert (field.name, field.kind, field.shape) == ("caption", "tokens", (16,))
    shown = {r.caption.split()[-1] for r in train._videos if r.caption}  # type: ignore[attr-defined]
    assert set(field.names) == {"", "<unknown>", "clip", *shown}
    for dataset in (train, test):
        for index in range(0, len(dataset), 3):
            record = dataset._videos[dataset.span(index)[0]]  # type: ignore[attr-defined]
            expected = tokens(record.caption, field)
            assert np.array_equal(dataset.item(index)["caption"], expected)
    assert "0 no video" not in train.summary()
    assert sum(r["status"] == "other" for r in train.check()) == 0


def test_a_changed_caption_is_read_again_and_changes_the_fingerprint() -> None:
    video("clips/a.mkv", "one")
    before = folder(captions=True)
    plain = folder().fingerprint
    assert before.fields[0].names[2:] == ("one",)
    Path("clips/a.txt").write_text("two")
    after = folder(captions=True)
    assert after.fields[0].names[2:] == ("two",)
    assert before.fingerprint != after.fingerprint
    assert folder().fingerprint == plain
    Path("clips/a.txt").unlink()
    assert folder(captions=True).fields[0].names[2:] == ()


def test_a_folder_of_pictures_has_a_caption_and_a_class() -> None:
    save_frames("clips/walk", counting(6))
    Path("clips/walk.txt").write_text("somebody walks")
    Path("clips/walk.cls").write_text("7\n")
    dataset = folder(captions=True, classes="files")
    assert [r["caption"] for r in dataset.check()] == ["somebody walks"]
    assert dataset.class_names == ["7"]  # type: ignore[attr-defined]


def test_classes_of_files_are_in_the_order_of_numbers() -> None:
    for number, name in enumerate(("10", "9", "bird", "")):
        video(f"clips/{number}.mkv", seed=number)
        Path(f"clips/{number}.cls").write_text(name)
    dataset = folder(classes="files")
    assert dataset.class_names == ["bird", "9", "10"]  # type: ignore[attr-defined]
    assert "1 not chosen" in dataset.summary()
    assert folder(classes="files", only=("9",)).class_names == ["9"]  # type: ignore[attr-defined]
    assert folder(classes="files").fingerprint != folder(classes="none").fingerprint
    shutil.copytree("clips", "bare", ignore=shutil.ignore_patterns("*.cls"))
    with pytest.raises(UsageError, match="nothing tells its class"):
        len(folder("bare", classes="files"))


def test_odd_files_tell_nothing() -> None:
    video("clips/a.mkv")
    Path("secret").write_text("secret")
    Path("clips/a.txt").symlink_to("../secret")
    assert folder(captions=True).check()[0]["caption"] == ""
    assert folder(captions=True, follow_links=True).check()[0]["caption"] == "secret"
    Path("clips/a.txt").unlink()
    os.mkfifo("clips/a.txt")
    assert folder(captions=True).check()[0]["caption"] == ""
    Path("clips/a.txt").unlink()
    Path("clips/a.txt").write_bytes(b"x" * 10 * MOST_BYTES)
    assert len(folder(captions=True).check()[0]["caption"]) == MOST_BYTES


def test_captions_go_through_training_to_samples(vidgan: Command) -> None:
    for number, caption in enumerate(("a red ball", "a blue cube", "a red cube")):
        video(f"clips/{number}.mkv", caption, number)
    off = ("--set", "data.held_out=0")
    settings = (*TINY, *CAPTIONS, *off, "--steps", 2, "--out", "run")
    result = vidgan("run", "--data", "./clips", *settings)
    assert result.code == 0, result.err
    (path,) = checkpoint.available(Path("run/checkpoints"))
    (field,) = json.loads(json.dumps(checkpoint.load(path).state["spec"]["condition"]))
    assert field["names"][:2] == ["", "<unknown>"]
    sampler = vidgan_core.load("run")
    one, two = sampler.sample(2, captions=["A blue cube!", "red"])
    assert torch.equal(one, sampler.sample(1, captions=["a BLUE cube"])[0])
    assert not torch.equal(one, sampler.sample(1, captions=["cube"])[0])
    assert not torch.equal(two, sampler.sample(2, captions=["blue"])[1])
    made = vidgan("sample", "run", "--caption", "a red cube", "-n", 2, "-o", "out.png")
    assert made.code == 0, made.err
    refused = vidgan("sample", "run", "-n", 2)
    assert refused.code == 2
    assert "--caption TEXT" in refused.err
    assert (
        vidgan("sample", "run", "-n", 2, "--condition-from", "./clips", "--split", "train").code
        == 0
    )


def test_captions_of_other_data_become_the_words_of_the_run(vidgan: Command) -> None:
    video("clips/0.mkv", "red ball")
    off = ("--set", "data.held_out=0")
    result = vidgan(
        "run", "--data", "./clips", *TINY, *CAPTIONS, *off, "--steps", 1, "--out", "run"
    )
    assert result.code == 0, result.err
    video("other/0.mkv", "ball zebra ball red", 1)
    sampler = vidgan_core.load("run")
    from_data = sampler.sample(1, condition_from="./other", split="train")
    assert torch.equal(from_data, sampler.sample(1, captions=["ball zebra ball red"]))


def test_a_run_without_captions_takes_none(vidgan: Command) -> None:
    assert vidgan("run", *TINY, "--data", "digits", "--steps", 1, "--out", "run").code == 0
    refused = vidgan("sample", "run", "--caption", "a dog")
    assert refused.code == 2
    assert "trained without captions" in refused.err
