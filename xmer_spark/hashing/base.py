"""What all hashers share: their interface, bits packed into 64-bit words, and distances between codes."""

from __future__ import annotations

from abc import abstractmethod
from typing import Self

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.method import Method
from xmer_spark.numerics.hamming import pack
from xmer_spark.numerics.views import Labels, Pairs, Views


class Hasher(Method):
    """Maps vectors of several modalities to binary codes that can be compared across them."""

    bits: int

    @abstractmethod
    def fit(self, views: Views, labels: Labels | None = None, pairs: Pairs | None = None) -> Self:
        """Learn the bits.

        ``views`` maps modality to an (n_m, d_m) float array. ``pairs[a, b]`` holds (p, 2) row indices,
        into ``views[a]`` and ``views[b]``, that describe one thing; ``a`` may equal ``b``. Without
        ``pairs`` the rows are aligned across modalities, where the method asks. ``labels`` maps
        modality to (n_m,) class numbers, -1 where unknown.
        """

    @abstractmethod
    def activations(self, modality: str, x: np.ndarray) -> np.ndarray:
        """(n, d_m) vectors -> (n, bits) real values, whose signs are the bits."""

    def codes(self, modality: str, x: np.ndarray) -> np.ndarray:
        """(n, d_m) vectors -> (n, ceil(bits / 64)) uint64: word 0 first, bit 0 lowest, unused bits 0."""
        return pack(self.activations(modality, x) > 0)


class CommonHasher(Hasher):
    """One function for all modalities, whose vectors lie in a common space.

    It is learnt from the items of all modalities together. Most are projections: ``mean_`` (d,) and
    ``projection_`` (d, bits).
    """

    mean_: np.ndarray
    projection_: np.ndarray

    @abstractmethod
    def fit_items(self, x: np.ndarray) -> Self:
        """Learn from (n, d) vectors."""

    def fit(self, views: Views, labels: Labels | None = None, pairs: Pairs | None = None) -> Self:
        check_bits(self.bits)
        widths = {modality: view.shape[1] for modality, view in views.items()}
        if len(set(widths.values())) > 1:
            raise XmerError(
                f"hashing: {type(self).__name__} needs a common space, not vectors of widths {widths}"
            )
        return self.fit_items(np.vstack(list(views.values())))

    def activations(self, modality: str, x: np.ndarray) -> np.ndarray:
        return (x - self.mean_) @ self.projection_


class CrossModalHasher(Hasher):
    """One linear function a modality: ``x maps_[m] - thresholds_[m]``, of shapes (d_m, bits) and (bits,)."""

    maps_: dict[str, np.ndarray]
    thresholds_: dict[str, np.ndarray]

    def activations(self, modality: str, x: np.ndarray) -> np.ndarray:
        return x @ self.maps_[modality] - self.thresholds_[modality]


def check_bits(bits: int) -> None:
    """An XmerError where codes of ``bits`` are too short, or do not fill whole bytes."""
    if bits < 16 or bits % 8:
        raise XmerError(f"hashing bits must be a multiple of 8, at least 16, not {bits}")


def sampled(x: np.ndarray, most: int, random: np.random.Generator) -> np.ndarray:
    """At most ``most`` of the rows, in their order."""
    return x if len(x) <= most else x[np.sort(random.choice(len(x), most, replace=False))]
