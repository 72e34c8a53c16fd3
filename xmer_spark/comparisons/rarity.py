"""Terms of texts, weighted by how rare they are, and what two texts share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from xmer_spark.comparisons.strings import Terms, by_text, key

#: Numbers from here on are of known terms, in order of rarity; those below are the hashes of all others.
_KNOWN = np.uint32(1 << 31)
#: Slots for the terms of one text, at most and at least, and of all texts at a time: what a cache holds.
_SLOTS, _FEWEST, _ROOM = 1 << 13, 1 << 8, 1 << 21


@dataclass(frozen=True)
class Rarity:
    """Inverse document frequencies (k,) float32 of terms (k,) int32, sorted; of any other ``highest``."""

    term: np.ndarray
    idf: np.ndarray
    highest: float

    @classmethod
    def of(cls, terms: Terms, count: np.ndarray, most: int) -> Rarity:
        """From the terms of distinct texts and how many records (n,) have each text.

        A term of one record is as rare as one that never was; of the others, the ``most`` most frequent
        are kept.
        """
        text, each = by_text(terms.text, terms.term)
        term, place = np.unique(each.astype(np.int32), return_inverse=True)
        records = np.bincount(place, count[text], len(term))
        total = float(count.sum())
        kept = np.flatnonzero(records > 1)
        kept = np.sort(kept[np.argsort(-records[kept], kind="stable")[:most]])
        return cls(term[kept], _idf(records[kept], total), float(_idf(np.ones(1), total)[0]))

    def state(self) -> dict[str, Any]:
        """What ``Rarity(**state)`` is made from again."""
        return {"term": self.term, "idf": self.idf, "highest": self.highest}

    def weights(self, term: np.ndarray) -> np.ndarray:
        return self.of_numbers(self.numbers(term))

    def numbers(self, term: np.ndarray) -> np.ndarray:
        """Terms as numbers uint32, the rarer the smaller."""
        if not len(self.term):
            return term.astype(np.uint32)
        place = self._place.take(term & (len(self._place) - 1))
        other = np.flatnonzero(self.term.take(place) != term)
        place[other] = np.minimum(np.searchsorted(self.term, term[other]), len(self.term) - 1)
        return np.where(self.term.take(place) == term, self._number.take(place), term.astype(np.uint32))

    def of_numbers(self, number: np.ndarray) -> np.ndarray:
        """The weights of terms by their numbers."""
        weight = np.full(len(number), self.highest, np.float32)
        known = np.flatnonzero(number >= _KNOWN)
        weight[known] = self.idf[self._rarest_first[number[known] - _KNOWN]]
        return weight

    @cached_property
    def _place(self) -> np.ndarray:
        """Where a term probably stands in ``term``, by its last bits: seldom have two terms the same."""
        place = np.zeros(1 << (4 * len(self.term)).bit_length(), np.int32)
        place[self.term & (len(place) - 1)] = np.arange(len(self.term))
        return place

    @cached_property
    def _rarest_first(self) -> np.ndarray:
        return np.argsort(-self.idf, kind="stable")

    @cached_property
    def _number(self) -> np.ndarray:
        number = np.empty(len(self.term), np.uint32)
        number[self._rarest_first] = np.arange(len(self.term), dtype=np.uint32) + _KNOWN
        return number


def _idf(records: np.ndarray, total: float) -> np.ndarray:
    return np.log1p(total / records).astype(np.float32)


class Rows(NamedTuple):
    """The terms of n texts.

    ``term`` and ``square`` (n, w) are the numbers of each text's terms and their weights squared, the rarest
    first and 0 after the last; ``norm`` (n,) is the length of the weights, ``terms`` (n,) how many there are.
    """

    term: np.ndarray
    square: np.ndarray
    norm: np.ndarray
    terms: np.ndarray

    @classmethod
    def of(cls, terms: Terms, rarity: Rarity, count: int, most: int) -> Rows:
        """Of ``count`` texts, each with its ``most`` rarest terms."""
        text, number = by_text(terms.text, rarity.numbers(terms.term))
        place = np.arange(len(text)) - np.searchsorted(text, np.arange(count))[text]
        kept = np.flatnonzero(place < most)
        text, number, place = text[kept], number[kept], place[kept]
        shape = count, int(place.max(initial=-1)) + 1
        term, square = np.zeros(shape, np.uint32), np.zeros(shape)
        term[text, place] = number
        square[text, place] = np.square(rarity.of_numbers(number), dtype=np.float64)
        norm = np.sqrt(square.sum(axis=1)).astype(np.float32)
        return cls(term, square, norm, np.bincount(text, minlength=count))


class Shared(NamedTuple):
    """What pairs of texts share (p,): the cosine, the weight of the rarest term, and how many terms."""

    cosine: np.ndarray
    rarest: np.ndarray
    terms: np.ndarray


def shared(left: Rows, right: Rows, x: np.ndarray, y: np.ndarray) -> Shared:
    """Of the pairs ``left[x]``, ``right[y]``; NaN where either has no terms.

    It costs least where equal x follow each other.
    """
    begins = np.flatnonzero(np.diff(x, prepend=-1))
    run = np.repeat(np.arange(len(begins)), np.diff(begins, append=len(x)))
    pair, place = _Slots.of(left.term.take(x[begins], axis=0)).found(run, right.term.take(y, axis=0))
    square = right.square.ravel().take(y[pair] * right.square.shape[1] + place)
    length = left.norm[x] * right.norm[y]
    with np.errstate(invalid="ignore"):
        cosine = np.minimum(np.bincount(pair, square, len(x)) / length, 1)
    rarest = np.where(length > 0, 0, np.nan)
    first = np.flatnonzero(np.diff(pair, prepend=-1))  # a text's rarest term comes first
    rarest[pair[first]] = np.sqrt(square[first])
    return Shared(cosine, rarest, np.bincount(pair, minlength=len(x)))


class _Slots(NamedTuple):
    """Terms of n texts where they are found at once: each in one of its text's ``size`` slots, by last bits.

    Most terms of another text find theirs free. ``holds`` says which term a ``taken`` slot has; the few that
    lost theirs to another term of their text are ``listed`` with it.
    """

    size: int
    taken: np.ndarray
    holds: np.ndarray
    listed: np.ndarray

    @classmethod
    def of(cls, terms: np.ndarray) -> _Slots:
        """Of terms (n, w), 0 where there is none."""
        size = min(_SLOTS, max(_FEWEST, 1 << (_ROOM // max(len(terms), 1)).bit_length() - 1))
        text, column = np.nonzero(terms)
        term = terms[text, column]
        slot = text * size + (term & np.uint32(size - 1))
        taken, holds = np.zeros(len(terms) * size, bool), np.empty(len(terms) * size, np.uint32)
        taken[slot], holds[slot] = True, term
        lost = holds[slot] != term
        return cls(size, taken, holds, key(text[lost], term[lost]))

    def found(self, text: np.ndarray, terms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which of the terms (p, w) the texts (p,) have: by row and column (s,), in order."""
        slot = (text * self.size)[:, None] + (terms & np.uint32(self.size - 1))
        met = np.flatnonzero(self.taken.take(slot))
        term = terms.ravel().take(met)
        row, column = np.divmod(met, max(terms.shape[1], 1))
        there = self.holds.take(slot.ravel().take(met)) == term
        other = np.flatnonzero(~there)
        there[other] = np.isin(key(text[row[other]], term[other]), self.listed)
        return row[there], column[there]
