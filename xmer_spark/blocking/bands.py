"""Multi-table locality-sensitive hashing over binary codes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from xmer_spark.blocking.base import TILE, Blocker, Coded, Side, Tile, check_share, code_bits, mix
from xmer_spark.blocking.hamming import WORD, columns, distances, limit
from xmer_spark.blocking.join import bucket_join
from xmer_spark.errors import ConfigError


class Bands(Blocker):
    """Bit sampling: a pair is a candidate if one of several samples of bits (almost) agrees.

    Each of ``tables`` looks at ``bits`` bits of the code: disjoint ones as long as the code lasts, then
    those of a new permutation. A pair meets in a table if at most ``flips`` of these bits differ: an item of
    the right side looks into every bucket within ``flips`` of its own (multi-probe), one of the left lies in
    its own only. If a pair's bits differ independently with probability p, it meets in a table with
    probability sum_{k <= flips} C(bits, k) p^k (1 - p)^(bits - k).

    Indyk and Motwani 1998, section 4.2 (bit sampling); Lv et al. 2007 (multi-probe).
    """

    def __init__(
        self,
        tables: int = 8,
        bits: int = 8,
        flips: int = 1,
        max_distance: float | None = None,
        seed: int = 0,
    ) -> None:
        self.tables = tables
        self.bits = bits
        self.flips = flips
        self.max_distance = max_distance
        self.seed = seed

    def samples(self, total_bits: int) -> np.ndarray:
        """Which bits each table looks at: (tables, bits) positions in a code of ``total_bits``."""
        if not (1 <= self.bits <= min(WORD, total_bits) and self.tables >= 1 and 0 <= self.flips < self.bits):
            raise ConfigError(
                f"blocking.bands: cannot make {self.tables} tables of {self.bits} bits with {self.flips} "
                f"flips from codes of {total_bits} bits: bits is 1 to {min(WORD, total_bits)}, tables at "
                "least 1, flips 0 to bits - 1"
            )
        check_share("bands", self.max_distance)
        generator = np.random.default_rng(self.seed)
        disjoint = total_bits // self.bits
        rounds = [
            generator.permutation(total_bits)[: disjoint * self.bits].reshape(disjoint, self.bits)
            for _ in range(-(-self.tables // disjoint))
        ]
        return np.concatenate(rounds)[: self.tables]

    def buckets(self, codes: np.ndarray) -> np.ndarray:
        """The bucket of every item in every table: (tables, n) uint64."""
        samples = self.samples(code_bits(codes))
        octets = np.ascontiguousarray(codes, "<u8").view(np.uint8)
        spread = np.unpackbits(octets, axis=1, bitorder="little")
        ids = np.zeros((self.tables, len(codes), WORD // 8), np.uint8)
        for table, sample in enumerate(samples):
            packed = np.packbits(spread[:, sample], axis=1, bitorder="little")
            ids[table, :, : packed.shape[1]] = packed
        return ids.view("<u8")[:, :, 0].astype(np.uint64)

    def masks(self) -> np.ndarray:
        """What to flip in a bucket id to reach every bucket within ``flips``, nearest first: uint64."""
        flipped = [
            sum(1 << bit for bit in bits)
            for count in range(self.flips + 1)
            for bits in combinations(range(self.bits), count)
        ]
        return np.array(flipped, np.uint64)

    def destinations(self, side: Side, keys: np.ndarray, codes: np.ndarray, partitions: int) -> np.ndarray:
        reached = np.zeros((len(codes), partitions), bool)
        rows = np.arange(len(codes))
        masks = self.masks() if side == "right" else np.zeros(1, np.uint64)
        for table, buckets in enumerate(self.buckets(codes)):
            for mask in masks:
                reached[rows, home(buckets ^ mask, table, partitions)] = True
        return reached

    def local_pairs(self, left: Coded, right: Coded, partition: int, partitions: int) -> Iterator[Tile]:
        left_buckets, right_buckets = self.buckets(left.codes), self.buckets(right.codes)
        left_columns, right_columns = columns(left.codes), columns(right.codes)
        most = limit(self.max_distance, left.codes.shape[1])
        masks = self.masks()
        for table in range(self.tables):
            here = np.flatnonzero(home(left_buckets[table], table, partitions) == partition)
            for i, j in bucket_join(left_buckets[table][here], right_buckets[table], masks, TILE):
                i = here[i]
                hamming = distances([c[i] for c in left_columns], [c[j] for c in right_columns])
                if most is not None:
                    near = hamming <= most
                    i, j, hamming = i[near], j[near], hamming[near]
                new = ~self._meets(left_buckets[:table], right_buckets[:table], i, j)
                yield Tile(i[new].astype(np.int32), j[new].astype(np.int32), hamming[new])

    def meets(self, left_codes: np.ndarray, right_codes: np.ndarray) -> np.ndarray:
        rows = np.arange(len(left_codes))
        return self._meets(self.buckets(left_codes), self.buckets(right_codes), rows, rows)

    def _meets(self, left: np.ndarray, right: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        """Whether left item i and right item j meet in any of these tables."""
        met = np.zeros(len(i), bool)
        for a, b in zip(left, right, strict=True):
            met |= np.bitwise_count(a[i] ^ b[j]) <= self.flips
        return met


def home(buckets: np.ndarray, table: int, partitions: int) -> np.ndarray:
    """The partition in which a bucket's pairs are made."""
    return (mix(buckets, table) % np.uint64(partitions)).astype(np.int64)
