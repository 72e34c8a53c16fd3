"""Spectral hashing: eigenfunctions of the data's own graph Laplacian, in closed form."""

from __future__ import annotations

import numpy as np

from xmer_spark.hashing.base import CommonHasher, sampled


class Spectral(CommonHasher):
    """Spectral hashing (Weiss, Torralba and Fergus 2008, algorithm of section 3).

    The data are taken to be uniform on a box along their principal directions. The Laplacian's
    eigenfunctions there are, per side [a, b] and k = 1, 2, ...,
    ``sin(pi / 2 + k pi (x - a) / (b - a))``, with an eigenvalue that grows with ``k / (b - a)``. The
    bits are the signs of those with the smallest ones; products of several sides' functions, whose
    bits would follow from these, are left out.
    """

    def __init__(self, bits: int = 256, seed: int = 0, sample: int = 200_000) -> None:
        self.bits = bits
        self.seed = seed
        self.sample = sample

    def _fit_items(self, x: np.ndarray) -> None:
        x = sampled(x, self.sample, np.random.default_rng(self.seed))
        self.mean_ = x.mean(axis=0, dtype=np.float64)
        centred = x - self.mean_
        _, vectors = np.linalg.eigh(centred.T @ centred)
        principal = vectors[:, ::-1][:, : self.bits]
        values = centred @ principal
        low, width = values.min(axis=0), np.ptp(values, axis=0)
        side, mode = _smallest_modes(width, self.bits)
        self.projection_ = principal[:, side]
        self.low_ = low[side]
        self.frequency_ = mode * np.pi / width[side]

    def _activations(self, modality: str, x: np.ndarray) -> np.ndarray:
        along = super()._activations(modality, x) - self.low_
        return np.sin(np.pi / 2 + along * self.frequency_)


def _smallest_modes(width: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The sides and modes k of the smallest ``k / width``, smallest first.

    >>> [found.tolist() for found in _smallest_modes(np.array([2.5, 1.0]), 4)]
    [[0, 0, 1, 0], [1, 2, 1, 3]]
    """
    mode = np.arange(1, count + 1)
    with np.errstate(divide="ignore"):  # a side without width comes last
        growth = mode[:, None] / width
    order = np.argsort(growth, axis=None, kind="stable")[:count]
    return order % len(width), mode[order // len(width)]
