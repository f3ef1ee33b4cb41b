"""Code and docs use the field's words: video instead of film, synthetic instead of made data.

Words are matched as parts of identifiers too: `films` and `clip_ways` count, `always` does not.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SUFFIXES = {".py", ".md", ".toml", ".j2", ".html"}
# Past entries of the changelog keep their words; this file lists them.
LEFT_OUT = {"CHANGELOG.md", "tests/docs/test_words.py"}

WORDS = {  # as a regular expression: what to write instead
    r"film(?:s|ed|ing)?": "video",
    r"film[ _-]?strips?": "frame strip",
    r"made[ \n_-]+data": "synthetic data",
    r"said": "reported, printed, stated",
    r"woven": "interleaved (sub-pixel convolution)",
    r"seen": "im2col, shown, read, observed",
    r"beside": "interleave, next to, in addition to",
    r"surely": "log_likelihood",
    r"heard": "observed",
    r"ways": "implementations, variants",
    r"strangers": "untrusted, third-party",
    r"what[ \n]+one[ \n]+sees": "symptoms",
}
# Good English that the patterns would catch. A line is searched without these.
EXCEPTIONS = (
    "FiLM",  # feature-wise linear modulation (Perez et al. 2018)
    "file beside the video",  # in its literal sense: a caption, a list, an index
    "files beside the video",
)
LETTER = "[A-Za-z]"
FORBIDDEN = re.compile(rf"(?<!{LETTER})(?:{'|'.join(WORDS)})(?!{LETTER})", re.IGNORECASE)


def tracked() -> list[Path]:
    """The files of the tree, as git lists them."""
    command = ["git", "ls-files", "-z", *(f"*{suffix}" for suffix in sorted(SUFFIXES))]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    names = set(filter(None, listed.stdout.split("\0"))) - LEFT_OUT
    return [path for name in sorted(names) if (path := ROOT / name).is_file()]


def offences(text: str) -> list[tuple[int, str]]:
    """The number of the line and the word, for each forbidden word in a text."""
    for good in EXCEPTIONS:
        text = text.replace(good, "")
    return [(text.count("\n", 0, m.start()) + 1, m[0]) for m in FORBIDDEN.finditer(text)]


def test_the_tree_uses_the_words_of_the_field() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {word!r}"
        for path in tracked()
        for line, word in offences(path.read_text("utf-8"))
    ]
    assert not found, "\n".join([f"{len(found)} words to replace, see WORDS:", *found])


@pytest.mark.parametrize(
    "text",
    [
        "a film",
        "Films",
        "write_films(clips)",
        "film_strip",
        "film strips",
        "data: made data",
        "on made\n    data",
        "_said(row)",
        "woven",
        "self.seen",
        "beside",
        "surely",
        "heard",
        "ways.py",
        "strangers",
        "What one sees",
    ],
)
def test_a_forbidden_word_is_found(text: str) -> None:
    assert offences(text)


@pytest.mark.parametrize(
    "text",
    [
        "always",
        "sideways",
        "besides",
        "overheard",
        "unseen",
        "strange",
        "FiLM layers",
        "the file beside the video",
        "the data made by a generator",
    ],
)
def test_other_words_are_not_found(text: str) -> None:
    assert not offences(text)


def test_the_line_is_named() -> None:
    assert offences("one\ntwo\nthree films") == [(3, "films")]
