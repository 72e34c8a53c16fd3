"""What every blocker offers: candidate pairs, on one machine or shared out over partitions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import ClassVar, Literal, NamedTuple, Self

import numpy as np

from xmer_spark.errors import ConfigError
from xmer_spark.method import Method
from xmer_spark.numerics.hamming import WORD, columns, distances

#: Pairs that are in memory at once, whatever the size of a bucket.
TILE = 1 << 18
#: The number of partitions for which costs are predicted: a usual one, and the same in every run. Were it the
#: run's own, another number of partitions could choose another blocker, and with it other entities.
USUAL_PARTITIONS = 8

Side = Literal["left", "right"]


class Coded(NamedTuple):
    """Items of one side: keys (n) int64 and packed codes (n, words) uint64."""

    keys: np.ndarray
    codes: np.ndarray


class Tile(NamedTuple):
    """Some candidate pairs: positions on either side and the differing bits, all int32."""

    left: np.ndarray
    right: np.ndarray
    hamming: np.ndarray


class Blocker(Method):
    """Proposes candidate pairs.

    ``max_distance`` is the share of bits in which the two codes of a candidate may differ;
    None where any may.
    """

    #: Whether a pair is a candidate depends on its two items (and the fitted state) alone. Otherwise the
    #: items that arrive later can change the answer for earlier ones.
    local: ClassVar[bool] = True
    #: Whether (a, b) is a candidate wherever (b, a) is: only then can a source be joined with itself.
    symmetric: bool = True

    max_distance: float | None = None

    def fit(self, left: np.ndarray, right: np.ndarray | None = None) -> Self:
        """Learn from a sample of codes, of one side or of both; most blockers have nothing to learn."""
        return self

    def tuned(self, left: np.ndarray, right: np.ndarray, items: int, partitions: int) -> Self:
        """A blocker of the same candidates that finds them faster in data such as these samples of codes.

        ``items`` is about how many a side has in all.
        """
        return self

    @abstractmethod
    def destinations(self, side: Side, keys: np.ndarray, codes: np.ndarray, partitions: int) -> np.ndarray:
        """Where items of one side must be for their pairs to be found: (n, partitions) bool."""

    @abstractmethod
    def local_pairs(self, left: Coded, right: Coded, partition: int, partitions: int) -> Iterator[Tile]:
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

    def pairs(self, left_codes: np.ndarray, right_codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Every candidate pair once, as (left index, right index), both int32.

        The order depends on the codes alone.
        """
        # Equal keys would be one item, joined with itself.
        keys = np.arange(len(left_codes) + len(right_codes))
        left = Coded(keys[: len(left_codes)], left_codes)
        right = Coded(keys[len(left_codes) :], right_codes)
        tiles = list(self.local_pairs(left, right, 0, 1))
        empty = np.empty(0, np.int32)
        return (
            np.concatenate([empty, *(tile.left for tile in tiles)]),
            np.concatenate([empty, *(tile.right for tile in tiles)]),
        )

    def hits(
        self, left_codes: np.ndarray, right_codes: np.ndarray, i: np.ndarray, j: np.ndarray
    ) -> np.ndarray:
        """Whether left rows i (p) and right rows j (p) would be candidate pairs: (p) bool.

        On true pairs this is the exact blocking recall.
        """
        hit = self.meets(left_codes, right_codes, i, j)
        most = self.most(left_codes.shape[1])
        if most is not None:
            hit &= distances(columns(left_codes[i]), columns(right_codes[j])) <= most
        return hit


def check_share(name: str, max_distance: float | None) -> None:
    if max_distance is not None and not 0 <= max_distance <= 1:
        raise ConfigError(f"blocking.{name}: max_distance is a share of the bits, 0 to 1, not {max_distance}")


def code_bits(codes: np.ndarray) -> int:
    return codes.shape[1] * WORD
