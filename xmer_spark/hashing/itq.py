"""Iterative quantisation: a rotation that leaves the data close to the corners of a cube."""

from __future__ import annotations

import numpy as np

from xmer_spark.hashing.base import CommonHasher, sampled


class ITQ(CommonHasher):
    """Iterative quantisation (Gong and Lazebnik 2011, algorithm of section 2.2).

    Principal directions, then alternately the codes ``B = sign(V R)`` and the rotation ``R`` that
    minimises ``|B - V R|`` (orthogonal Procrustes).

    The paper has at most as many bits as dimensions. Where there are more, each further group of
    bits is its own rotation of all principal directions, learnt from another random start.

    Ours, too: before they are rotated, directions are weighted by their standard deviation to ``power``
    (0: the paper). A rotation gives every direction the same say in a bit's noise, and across
    modalities it is the strong directions on which items of one thing agree: more of their far pairs are
    kept for it, and fewer of the near ones within a modality.
    """

    def __init__(
        self,
        bits: int = 256,
        iterations: int = 50,
        power: float = 0.0,
        seed: int = 0,
        sample: int = 50_000,
    ) -> None:
        self.bits = bits
        self.iterations = iterations
        self.power = power
        self.seed = seed
        self.sample = sample

    def _fit_items(self, x: np.ndarray) -> None:
        random = np.random.default_rng(self.seed)
        x = sampled(x, self.sample, random)
        self.mean_ = x.mean(axis=0, dtype=np.float64)
        centred = x - self.mean_
        values, vectors = np.linalg.eigh(centred.T @ centred)
        # As shares of the strongest; rounding may leave the weakest below 0.
        strength = np.sqrt(np.maximum(values, 0) / max(float(values[-1]), 1e-300))
        principal = (vectors * strength**self.power)[:, ::-1]
        groups, remaining = [], self.bits
        while remaining > 0:
            kept = principal[:, : min(remaining, principal.shape[1])]
            groups.append(kept @ self._rotation(centred @ kept, random))
            remaining -= kept.shape[1]
        self.projection_ = np.hstack(groups)

    def _rotation(self, v: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """The (k, k) rotation after which the signs of the (n, k) rows lose least."""
        rotation = np.linalg.qr(random.standard_normal((v.shape[1], v.shape[1])))[0]
        for _ in range(self.iterations):
            codes = np.where(v @ rotation > 0, 1.0, -1.0)
            left, _, right = np.linalg.svd(v.T @ codes)
            rotation = left @ right
        return rotation
