"""Captions as tokens: which words there are, and the numbers of a text's words. Free of torch."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from vidgan_core.data.fields import UNKNOWN
from vidgan_core.interfaces.dataset import Field

_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
_FIRST = ("", "<unknown>")  # what fills up, and a word that is not in the vocabulary


def words(text: str) -> list[str]:
    """Return the words of a text in small letters, without punctuation."""
    return _WORD.findall(text.casefold())


def vocabulary(texts: Iterable[str], most: int) -> tuple[str, ...]:
    """Return the names of tokens: the `most` words that come most often, in that order."""
    found = Counter(word for text in texts for word in words(text))
    ordered = sorted(found, key=lambda word: (-found[word], word))
    return _FIRST + tuple(ordered[:most])


def tokens(text: str, field: Field) -> NDArray[np.int64]:
    """Return the numbers (N,) of a text's first words in a field of kind tokens."""
    numbers = {name: number for number, name in enumerate(field.names)}
    found = [numbers.get(word, UNKNOWN) for word in words(text)[: field.shape[0]]]
    return np.pad(np.array(found, np.int64), (0, field.shape[0] - len(found)))
