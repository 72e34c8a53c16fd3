"""Texts -> hashed words, codes and character n-grams, all texts at once."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

_BASE = 0x9E3779B97F4A7C15
_INVERSE = pow(_BASE, -1, 1 << 64)
_MIX = np.uint64(0xD6E8FEB86659FD93)
#: Kinds of characters, as bits.
_WORD, _DIGIT, _ALONE = 1, 2, 4
_END = ord("\n")
#: Terms that are sorted at a time, and those of one more text.
_SORTED = 2048


def normalised(text: str) -> str:
    """A text in Unicode's compatibility form (NFKC), without case and with single spaces.

    >>> normalised("  Caf\u0065\u0301\u00a0STRASSE ")
    'café strasse'
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


class Terms(NamedTuple):
    """Hashes of terms (t,) int32, each as often as it occurs, and the text (t,) of each, text by text."""

    text: np.ndarray
    term: np.ndarray


def hashes(texts: Sequence[str]) -> np.ndarray:
    """(n,) uint64 of whole texts, which must be normalised."""
    points = _points(texts)
    ends = np.flatnonzero(points == _END)
    return _spans(points, np.r_[0, ends[:-1] + 1].astype(np.int64)[: len(ends)], ends)


class Text:
    """Normalised texts as one array of code points, from which their terms are read."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.points = _points(texts)
        self.kinds = _kinds(self.points)

    def words(self) -> Terms:
        """Runs of letters, marks and digits; a wide character, as of Chinese, is a word by itself."""
        starts, ends = _runs(self.kinds & _WORD > 0, self.kinds & _ALONE > 0)
        return _terms(self.points, starts, ends)

    def codes(self) -> Terms:
        """What stands between spaces and has a digit, without punctuation: model numbers, years, sizes."""
        kept = (self.kinds & _WORD > 0) | (self.points == ord(" ")) | (self.points == _END)
        points, kinds = self.points[kept], self.kinds[kept]
        starts, ends = _runs(kinds & _WORD > 0, np.zeros(len(kinds), bool))
        digits = np.r_[0, np.cumsum(kinds & _DIGIT > 0)]
        coded = digits[ends] > digits[starts]
        return _terms(points, starts[coded], ends[coded])

    def ngrams(self, lengths: Sequence[int]) -> Terms:
        """Character n-grams of these lengths; a text begins and ends with a space."""
        breaks = np.r_[0, np.cumsum(self.points == _END)]
        inside = np.zeros((len(self.points), len(lengths)), bool)
        for place, n in enumerate(lengths):
            inside[: max(len(self.points) - n + 1, 0), place] = breaks[n:] == breaks[:-n]
        starts, column = np.nonzero(inside)
        return _terms(self.points, starts, starts + np.array(lengths)[column])


def _points(texts: Sequence[str]) -> np.ndarray:
    """The code points of the texts, each between two spaces and ended by a line feed."""
    joined = "".join([f" {text} \n" for text in texts])
    return np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), "<u4")


def _kinds(points: np.ndarray) -> np.ndarray:
    seen = np.flatnonzero(np.bincount(points))
    table = np.zeros(int(seen[-1]) + 1 if len(seen) else 1, np.uint8)
    table[seen] = [_kind(chr(point)) for point in seen]
    return table[points]


def _kind(character: str) -> int:
    """
    >>> [_kind(c) for c in "a1 京-"]
    [1, 3, 0, 5, 0]
    """
    category = unicodedata.category(character)
    if category[0] not in "LNM":
        return 0
    wide = category == "Lo" and unicodedata.east_asian_width(character) == "W"
    return _WORD | (_DIGIT if category[0] == "N" else 0) | (_ALONE if wide else 0)


def _runs(inside: np.ndarray, alone: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where runs start, and where they end (exclusive); the last place is never inside one."""
    cut = ~inside[1:] | ~inside[:-1] | alone[1:] | alone[:-1]
    starts = np.flatnonzero(inside & np.r_[True, cut][: len(inside)])
    return starts, np.flatnonzero(inside & np.r_[cut, True][: len(inside)]) + 1


def _terms(points: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> Terms:
    text = np.cumsum(points == _END)[starts]
    term = _spans(points, starts, ends) >> np.uint64(33)  # 31 bits: never negative
    return Terms(text, term.astype(np.int32))


def by_text(text: np.ndarray, term: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct terms of each text, in order: the text (t,) int64, and the term (t,) uint32.

    ``text`` never falls.
    """
    found = key(text, term)
    cuts = np.append(np.searchsorted(text, text[::_SORTED]), len(text))
    for start, stop in pairwise(cuts):  # what a cache holds is sorted several times as fast as the whole
        found[start:stop].sort()
    found = found[np.r_[True, found[1:] != found[:-1]][: len(found)]]
    return (found >> np.uint64(32)).astype(np.int64), found.astype(np.uint32)


def key(text: np.ndarray, term: np.ndarray) -> np.ndarray:
    """A text and a number of 32 bits as one number."""
    return text.astype(np.uint64) << np.uint64(32) | term.astype(np.uint64)


def _spans(points: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Hashes of spans of code points: polynomials modulo 2^64 (Karp and Rabin 1987), all from one sum."""
    place = np.ones(len(points) + 1, np.uint64)
    place[1:] = _BASE
    sums = np.r_[np.uint64(0), np.cumsum(points * np.cumprod(place)[:-1])]
    place[1:] = _INVERSE
    spans = (sums[ends] - sums[starts]) * np.cumprod(place)[starts]
    return (spans ^ (spans >> np.uint64(32))) * _MIX
