"""What every blocker offers: candidate pairs, on one machine or shared out over partitions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Literal, NamedTuple, Self

import numpy as np

from xmer_spark.blocking.costs import CANDIDATE
from xmer_spark.errors import ConfigError
from xmer_spark.method import Method
from xmer_spark.numerics.hamming import WORD, hamming

#: Pairs that are in memory at once, whatever the size of a bucket.
TILE = 1 << 18
#: Pairs of samples that tell how many of all pairs meet.
_DRAWN = 100_000

Side = Literal["left", "right"]
#: Positions of pairs on either side, aligned: (p) int32 each.
Pairs = tuple[np.ndarray, np.ndarray]


class Coded(NamedTuple):
    """Items of one side: keys (n) int64 and packed codes (n, words) uint64."""

    keys: np.ndarray
    codes: np.ndarray


class Blocker(Method):
    """Proposes candidate pairs.

    Whether a pair is a candidate depends on its two codes and the fitted state alone. ``max_distance`` is the
    share of bits in which the two codes of a candidate may differ; None where any may.
    """

    max_distance: float | None = None

    def fit(self, left: np.ndarray, right: np.ndarray | None = None) -> Self:
        """Learn from a sample of codes, of one side or of both; most blockers have nothing to learn."""
        return self

    def tuned(self, left: np.ndarray, right: np.ndarray, items: int, partitions: int) -> Self:
        """A blocker of the same candidates that finds them faster in data such as these samples of codes.

        ``items`` is about how many a side has in all.
        """
        return self

    def search_seconds(self, left: np.ndarray, right: np.ndarray, items: float) -> float:
        """Predicted seconds of one core to find the candidates among so many items per side.

        The two samples of codes tell how the codes are spread. What it costs to go on with the candidates is
        not in it.
        """
        drawn = np.random.default_rng(0)
        i, j = (drawn.integers(0, max(1, len(side)), _DRAWN) for side in (left, right))
        met = float(self.meets(left, right, i, j).mean()) if len(left) and len(right) else 0.0
        return items**2 * met * CANDIDATE

    @abstractmethod
    def destinations(self, side: Side, keys: np.ndarray, codes: np.ndarray, partitions: int) -> np.ndarray:
        """Where items of one side must be for their pairs to be found: (n, partitions) bool."""

    @abstractmethod
    def local_pairs(self, left: Coded, right: Coded, partition: int, partitions: int) -> Iterator[Pairs]:
        """The candidate pairs that ``partition`` is in charge of, in tiles of at most ``TILE``.

        Every pair is the charge of one partition, and is found there if both sides hold at least
        the items whose ``destinations`` name it; further items change nothing.
        """

    @abstractmethod
    def meets(
        self, left_codes: np.ndarray, right_codes: np.ndarray, i: np.ndarray, j: np.ndarray
    ) -> np.ndarray:
        """Whether left rows i (p) and right rows j (p) are compared at all, however far apart: (p) bool."""

    def most(self, words: int) -> int | None:
        """The largest number of differing bits of a candidate; None where any may differ."""
        if self.max_distance is None:
            return None
        return int(self.max_distance * words * WORD + 1e-6)  # 7 / 192 * 192 < 7

    def hits(
        self, left_codes: np.ndarray, right_codes: np.ndarray, i: np.ndarray, j: np.ndarray
    ) -> np.ndarray:
        """Whether left rows i (p) and right rows j (p) would be candidate pairs: (p) bool.

        On true pairs this is the exact blocking recall.
        """
        hit = self.meets(left_codes, right_codes, i, j)
        most = self.most(left_codes.shape[1])
        if most is not None:
            hit &= hamming(left_codes[i], right_codes[j]) <= most
        return hit


def check_share(name: str, max_distance: float | None) -> None:
    if max_distance is not None and not 0 <= max_distance <= 1:
        raise ConfigError(f"blocking.{name}: max_distance is a share of the bits, 0 to 1, not {max_distance}")


def code_bits(codes: np.ndarray) -> int:
    return codes.shape[1] * WORD
