"""Which scored pairs are kept, to be decided together: the probable ones, and the best of what is left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from xmer_spark.config import Scoring

#: Pairs below this share of the threshold say nothing, whatever their rank.
_LEAST = 0.1


@dataclass(frozen=True)
class Review:
    """Pairs from ``threshold`` on are kept; of others, the likeliest ``partners`` of a record per source.

    The likeliest partner of a record may be improbable by itself, as long as many others are nearly as
    likely, and be the right one once these have found theirs. It suffices that a pair is among the likeliest
    of one of its two records. What is less probable than a tenth of the threshold is not kept.
    """

    threshold: float
    partners: int

    @classmethod
    def of(cls, settings: Scoring) -> Self:
        return cls(settings.review_threshold, settings.review_partners)

    @property
    def least(self) -> float:
        """The least probability that can be kept."""
        return self.threshold * _LEAST if self.partners else self.threshold

    def kept(self, i: np.ndarray, j: np.ndarray, probability: np.ndarray) -> np.ndarray:
        """The places of the pairs of two sources that are kept, of records i (p) and j (p), in order.

        >>> i, j = np.array([0, 0, 0, 1]), np.array([0, 1, 2, 2])
        >>> Review(0.5, 1).kept(i, j, np.array([0.6, 0.2, 0.1, 0.2]))
        array([0, 1, 3])
        """
        rows = np.flatnonzero(probability >= self.least)
        weak = probability[rows]
        best = weak >= self.threshold
        if self.partners and not best.all():
            for record in (i[rows], j[rows]):
                best |= _ahead(record, weak) < self.partners
        return rows[best]


def _ahead(record: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """How many pairs of the same record are more probable than each of these (p)."""
    order = np.lexsort((-probability, record))
    one, value = record[order], probability[order]
    begins = np.r_[True, one[1:] != one[:-1]][: len(one)]
    differs = begins | np.r_[True, value[1:] != value[:-1]][: len(one)]
    place = np.arange(len(one))
    ahead = np.empty(len(one), np.int64)
    first, record_begins = (np.maximum.accumulate(np.where(new, place, 0)) for new in (differs, begins))
    ahead[order] = first - record_begins
    return ahead
