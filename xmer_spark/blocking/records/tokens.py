"""Rare tokens that two records share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from typing import Self

import numpy as np

from xmer_spark.blocking.base import Side
from xmer_spark.blocking.records.base import Fields, Prepared, Records
from xmer_spark.blocking.records.ranked import Ranked, Scored
from xmer_spark.blocking.records.sparse import common, inner
from xmer_spark.blocking.records.vocabulary import Counts, TokenBlocker
from xmer_spark.errors import ConfigError
from xmer_spark.numerics.mixing import mix

#: Cosines are whole numbers of this fraction; so many bits of the keys decide between equal ones.
_COSINES, _CHANCE = 1 << 22, 16


class Tokens(TokenBlocker, Ranked):
    """A pair is a candidate if its cosine of rare tokens' IDF is among the best of either record.

    Of each record the best ``top`` pairs are kept. Within one source, a record may have so many duplicates
    that this has to be several times the size of the largest entity. What tokens are, which are rare and what
    each weighs says ``TokenBlocker``.

    Papadakis et al. 2014 (meta-blocking): cardinality node pruning, redefined, of pairs weighed by the tokens
    they share. Deviations: cosines of IDF in place of counts; equal ones are told apart by a hash of the
    keys, for a token that many have makes many.
    """

    def __init__(
        self,
        fields: Sequence[str] = (),
        top: int = 20,
        spread: float = 20.0,
        grams: int = 0,
    ) -> None:
        self.fields = fields
        self.top = top
        self.spread = spread
        self.grams = grams

    @classmethod
    def options(cls, fields: Fields) -> list[Self]:
        return [cls(top=top) for top in (5, 10, 20, 50, 150)] if fields.texts else []

    def looked_at(self, left: Prepared, right: Prepared) -> int:
        return int(left.made.sum(axis=0) @ right.made.sum(axis=0))

    def fit_counts(self, left: Counts, right: Counts, within: bool = False) -> Self:
        if self.top < 1:
            raise ConfigError(f"blocking.tokens: top is at least 1, not {self.top}")
        return super().fit_counts(left, right, within)

    def prepare(self, side: Side, records: Records, marks: np.ndarray | None = None) -> Prepared:
        return Prepared(records.keys, self.rows(side, records), marks)

    def scored(self, left: Prepared, right: Prepared) -> Iterator[Scored]:
        lengths = self._lengths(left), self._lengths(right)
        overlap = bool(np.isin(left.keys, right.keys).any())
        for i, j, weight in common(self.weighed(left.made), right.made):
            if overlap:
                other = left.keys[i] != right.keys[j]
                i, j, weight = i[other], j[other], weight[other]
            yield i, j, _score(weight, lengths, left.keys, right.keys, i, j)

    def score(self, left: Prepared, right: Prepared, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        weight = inner(self.weighed(left.made), right.made, i, j)
        lengths = self._lengths(left), self._lengths(right)
        score = _score(weight, lengths, left.keys, right.keys, i, j)
        return np.where((weight == 0) | (left.keys[i] == right.keys[j]), 0, score)

    @staticmethod
    def cosines(score: np.ndarray) -> np.ndarray:
        """The cosines that scores stand for."""
        return (score >> _CHANCE) / _COSINES

    def _lengths(self, records: Prepared) -> np.ndarray:
        """1 over the length of each record as a vector of IDF: (n) float64."""
        return 1 / np.maximum(self.lengths(records.made), 1)

    def thinned(self, share: float) -> Self:
        other = copy(self)
        other.top = max(1, round(self.top * share))
        other.spread = self.spread * share
        return other


def _score(
    weight: np.ndarray,
    lengths: tuple[np.ndarray, np.ndarray],
    left_keys: np.ndarray,
    right_keys: np.ndarray,
    i: np.ndarray,
    j: np.ndarray,
) -> np.ndarray:
    """The cosine of each pair as a whole number; of equal ones, the keys say which is the greater."""
    # The product of the lengths first: it is the same for (a, b) and (b, a). What lengthens no record may
    # make it more than 1.
    cosine = (np.minimum(weight * (lengths[0][i] * lengths[1][j]), 1) * _COSINES).astype(np.int64)
    chance = mix(left_keys)[i] + mix(right_keys)[j] >> np.uint64(64 - _CHANCE)
    return (cosine << _CHANCE) + chance.astype(np.int64) + 1
