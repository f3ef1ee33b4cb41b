"""Classes by name: stored with the run, asked for, shown, and found again in other data."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from clips import moving_block, save
from conftest import SMALL, TINY, Command
from PIL import Image

import vidgan_core
from vidgan_core.data.fields import check_field, renamed
from vidgan_core.errors import ComponentError, UsageError
from vidgan_core.inference.conditions import class_labels, class_number
from vidgan_core.interfaces import Field
from vidgan_core.media.pictures import contact_sheet
from vidgan_core.runs import checkpoint

NAMED = replace(SMALL, condition=(Field("class", classes=3, names=("bikes", "cars", "2")),))
BY_CLASS = ("--set", "data.classes=folders", "--set", 'condition=["class"]')


def trained(vidgan: Command, *names: str, settings: tuple[str, ...] = ()) -> None:
    for number, name in enumerate(names):
        save(f"clips/{name}/a.mkv", moving_block(12, 16, 16, number), codec="ffv1", pixels="bgr0")
    asked = (*TINY, *BY_CLASS, *settings, "--steps", 1, "--out", "run")
    result = vidgan("run", "--data", "./clips", *asked)
    assert result.code == 0, result.err


def test_a_class_is_asked_for_by_name_or_number() -> None:
    assert [class_number(NAMED, wanted) for wanted in ("cars", 1, "1", "bikes")] == [1, 1, 1, 0]
    assert class_number(NAMED, "2") == 2
    for wanted in ("bkes", "3", "-1", "9" * 5000, ""):
        with pytest.raises(UsageError, match="there are 3, from 0: bikes, cars, 2"):
            class_number(NAMED, wanted)
    with pytest.raises(UsageError, match="trained without any"):
        class_number(SMALL, "bikes")


def test_names_are_stored_with_the_run_and_shown(vidgan: Command) -> None:
    trained(vidgan, "bikes", "cars")
    (path,) = checkpoint.available(Path("run/checkpoints"))
    (field,) = checkpoint.load(path).state["spec"]["condition"]
    assert field["names"] == ["bikes", "cars"]
    assert "bikes, cars" in vidgan("inspect", path).out
    by_name = vidgan_core.load("run").sample(2, classes=["cars"])
    assert torch.equal(by_name, vidgan_core.load("run").sample(2, classes=[1]))
    assert vidgan("sample", "run", "--class", "cars", "-n", 2, "-o", "cars.png").code == 0
    assert vidgan("sample", "run", "--class", "1", "-n", 2, "-o", "one.png").code == 0
    assert Path("cars.png").read_bytes() == Path("one.png").read_bytes()
    wrong = vidgan("sample", "run", "--class", "bkes")
    assert wrong.code == 2
    assert "there is no class bkes; there are 2, from 0: bikes, cars" in wrong.err
    assert "Traceback" not in wrong.err


def test_a_contact_sheet_has_a_margin_with_the_names() -> None:
    clips = np.full((2, 3, 8, 8, 3), 200, np.uint8)
    plain, named = contact_sheet(clips), contact_sheet(clips, labels=["bikes", "x" * 1000])
    assert len(plain) == len(named)
    margin = named[:, : named.shape[1] - plain.shape[1]]
    assert np.array_equal(named[:, margin.shape[1] :], plain)
    assert all((half < 128).any() for half in np.split(margin, 2))
    assert margin.shape[1] < 300


def test_data_show_names_the_classes(vidgan: Command) -> None:
    trained(vidgan, "bikes", "cars")
    sizes = []
    for settings in (BY_CLASS[:2], ()):
        shown = vidgan(
            "data",
            "show",
            "./clips",
            "-n",
            2,
            *settings,
            "--set",
            "data.frames=4",
            "-o",
            "sheet.png",
        )
        assert shown.code == 0, shown.err
        sizes.append(Image.open("sheet.png").size)
    assert sizes[0][0] > sizes[1][0]
    assert sizes[0][1] == sizes[1][1]


def test_the_comparison_page_names_the_classes(vidgan: Command) -> None:
    trained(vidgan, "bikes", "<b>cars")
    result = vidgan("compare", "run", "-o", "page.html")
    assert result.code == 0, result.err
    page = Path("page.html").read_text("utf-8")
    assert "bikes" in page
    assert "&lt;b&gt;cars" in page
    assert "<b>cars" not in page


def test_classes_of_other_data_are_found_by_name(vidgan: Command) -> None:
    trained(vidgan, "bikes", "cars", settings=("--set", "data.held_out=0"))
    sampler = vidgan_core.load("run")
    Path("clips/bikes").rename("clips/vans")  # cars are number 0 there
    Path("clips/vans/a.mkv").unlink()
    wishes = {"condition_from": "./clips", "split": "train"}
    assert sampler.class_labels(2, **wishes) == ["cars", "cars"]  # type: ignore[arg-type]
    save("clips/vans/b.mkv", moving_block(12, 16, 16, 9), codec="ffv1", pixels="bgr0")
    with pytest.raises(UsageError, match="has no 'vans'"):
        sampler.sample(20, condition_from="./clips", split="train")


def test_words_without_a_number_become_the_unknown_one() -> None:
    has = Field("caption", "tokens", (4,), 5, ("", "?", "a", "dog", "runs"))
    wanted = Field("caption", "tokens", (4,), 4, ("", "?", "runs", "a"))
    assert renamed(np.array([2, 3, 4, 0]), has, wanted).tolist() == [3, 1, 2, 0]
    assert renamed(np.array([4]), has, replace(wanted, names=())).tolist() == [4]


def test_names_must_fit_the_classes(vidgan: Command) -> None:
    for names in (("a", "a"), ("a",)):
        with pytest.raises(ComponentError, match="a name of its own for each class"):
            check_field(Field("class", classes=2, names=names))
    trained(vidgan, "bikes", "cars")
    (path,) = checkpoint.available(Path("run/checkpoints"))
    saved = checkpoint.load(path)
    state = json.loads(json.dumps(saved.state))
    state["spec"]["condition"][0]["names"] = ["bikes"]
    checkpoint.save(Path("run/checkpoints"), 2, model=saved.model, train=saved.train, state=state)
    result = vidgan("sample", "run")
    assert result.code == 1
    assert "a name of its own for each class" in result.err


def test_labels_are_escaped() -> None:
    named = replace(SMALL, condition=(Field("class", classes=1, names=("a\x1b[2J\n",)),))
    assert class_labels(named, {"class": torch.tensor([0])}) == ["a\\x1b[2J\\n"]
