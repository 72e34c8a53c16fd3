"""Signs of random projections."""

from __future__ import annotations

import numpy as np

from xmer_spark.hashing.base import CommonHasher


class SignProjection(CommonHasher):
    """Each bit is the side of a random hyperplane (Charikar 2002).

    Two bits differ with probability angle / pi. Hyperplanes come in orthogonal groups of d, which
    keeps that expectation and lowers its variance (super-bits: Ji et al. 2012).
    """

    def __init__(self, bits: int = 256, seed: int = 0) -> None:
        self.bits = bits
        self.seed = seed

    def _fit_items(self, x: np.ndarray) -> None:
        width = x.shape[1]
        random = np.random.default_rng(self.seed)
        groups = [
            np.linalg.qr(random.standard_normal((width, width)))[0] for _ in range(-(-self.bits // width))
        ]
        self.mean_ = x.mean(axis=0, dtype=np.float64)
        self.projection_ = np.hstack(groups)[:, : self.bits]
