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


class Tokens(TokenBlocker, Ranked):
    """A pair is a candidate if the weight of the rare tokens it shares is among the best of either record.

    Of each record the best ``top`` pairs are kept, and all with at least the share ``near`` of its best
    weight. What tokens are, which are rare and what each weighs says ``TokenBlocker``.

    Papadakis et al. 2014 (meta-blocking): cardinality node pruning, redefined, of pairs weighed by the tokens
    they share. Deviations: IDF in place of counts, ties are kept, ``near``.
    """

    def __init__(
        self,
        fields: Sequence[str] = (),
        top: int = 20,
        near: float = 1.0,
        spread: float = 20.0,
        grams: int = 0,
    ) -> None:
        self.fields = fields
        self.top = top
        self.near = near
        self.spread = spread
        self.grams = grams

    @classmethod
    def options(cls, fields: Fields) -> list[Self]:
        return [cls(top=top) for top in (5, 10, 20, 40)] if fields.texts else []

    def looked_at(self, left: Prepared, right: Prepared) -> int:
        return int(left.made.sum(axis=0) @ right.made.sum(axis=0))

    def fit_counts(self, left: Counts, right: Counts, within: bool = False) -> Self:
        if self.top < 1 or not 0 < self.near <= 1:
            raise ConfigError(
                "blocking.tokens: top is at least 1, and near above 0 and at most 1, not "
                f"top={self.top}, near={self.near}"
            )
        return super().fit_counts(left, right, within)

    def prepare(self, side: Side, records: Records, marks: np.ndarray | None = None) -> Prepared:
        return Prepared(records.keys, self.rows(side, records), marks)

    def scored(self, left: Prepared, right: Prepared) -> Iterator[Scored]:
        for i, j, weight in common(self.weighed(left.made), right.made):
            other = left.keys[i] != right.keys[j]
            yield i[other], j[other], weight[other].astype(np.int64)

    def score(self, left: Prepared, right: Prepared, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        weight = inner(self.weighed(left.made), right.made, i, j).astype(np.int64)
        return np.where(left.keys[i] == right.keys[j], 0, weight)

    def least(self, best: np.ndarray) -> np.ndarray:
        near = np.ceil(self.near * best[:, 0]).astype(np.int64)
        return np.maximum(np.minimum(best[:, -1], near), 1)

    def thinned(self, share: float) -> Self:
        other = copy(self)
        other.top = max(1, round(self.top * share))
        other.spread = self.spread * share
        return other
