"""Multi-table locality-sensitive hashing over binary codes."""

from __future__ import annotations

import numpy as np

from xmer_spark.blocking.base import check_share
from xmer_spark.blocking.tables import Table, Tables
from xmer_spark.errors import ConfigError
from xmer_spark.numerics.hamming import WORD


class Bands(Tables):
    """Bit sampling: a pair is a candidate if one of several samples of bits (almost) agrees.

    Each of ``tables`` looks at ``bits`` bits of the code: disjoint ones as long as the code lasts, then
    those of a new permutation. A pair meets in a table if at most ``flips`` of these bits differ. If a
    pair's bits differ independently with probability p, it meets in a table with probability
    sum_{k <= flips} C(bits, k) p^k (1 - p)^(bits - k).

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

    def layout(self, total_bits: int) -> list[Table]:
        return [Table(positions, self.flips) for positions in self.samples(total_bits)]

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
