"""What all hashers share: their interface, how fitting and hashing are run, bits packed into words."""

from __future__ import annotations

from abc import abstractmethod
from typing import Self

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.method import Method
from xmer_spark.numerics.hamming import pack
from xmer_spark.numerics.rows import in_blocks
from xmer_spark.numerics.threads import one_thread
from xmer_spark.numerics.views import Labels, Pairs, Views, contiguous_views


class Hasher(Method):
    """Maps vectors of several modalities to binary codes that can be compared across them.

    A method writes ``_fit`` and ``_activations``. A fit is the same for any layout of the views in memory and
    any number of threads, and a code depends on the fitted hasher and its item alone.
    """

    bits: int

    def fit(self, views: Views, labels: Labels | None = None, pairs: Pairs | None = None) -> Self:
        """Learn the bits.

        ``views`` maps modality to an (n_m, d_m) float array. ``pairs[a, b]`` holds (p, 2) row indices,
        into ``views[a]`` and ``views[b]``, that describe one thing; ``a`` may equal ``b``. Without
        ``pairs`` the rows are aligned across modalities, where the method asks. ``labels`` maps
        modality to (n_m,) class numbers, -1 where unknown.
        """
        check_bits(self.bits)
        with self.fitting():
            self._fit(contiguous_views(views), labels, pairs)
        return self

    def activations(self, modality: str, x: np.ndarray) -> np.ndarray:
        """(n, d_m) vectors -> (n, bits) float64 values, whose signs are the bits."""
        with one_thread():
            return in_blocks(lambda block: self._activations(modality, block), x, np.float64)

    def codes(self, modality: str, x: np.ndarray) -> np.ndarray:
        """(n, d_m) vectors -> (n, ceil(bits / 64)) uint64: word 0 first, bit 0 lowest, unused bits 0."""
        return pack(self.activations(modality, x) > 0)

    @abstractmethod
    def _fit(self, views: Views, labels: Labels | None, pairs: Pairs | None) -> None:
        """Keep what is learnt, under names that end in an underscore."""

    @abstractmethod
    def _activations(self, modality: str, x: np.ndarray) -> np.ndarray:
        """``activations`` of a block of a few hundred vectors, float64 as its products should be."""


class CommonHasher(Hasher):
    """One function for all modalities, whose vectors lie in a common space.

    It is learnt from the items of all modalities together. Most are projections: ``mean_`` (d,) and
    ``projection_`` (d, bits).
    """

    mean_: np.ndarray
    projection_: np.ndarray

    @abstractmethod
    def _fit_items(self, x: np.ndarray) -> None:
        """Learn from (n, d) vectors."""

    def _fit(self, views: Views, labels: Labels | None, pairs: Pairs | None) -> None:
        widths = {modality: view.shape[1] for modality, view in views.items()}
        if len(set(widths.values())) > 1:
            raise XmerError(
                f"hashing: {type(self).__name__} needs a common space, not vectors of widths {widths}"
            )
        self._fit_items(np.vstack(list(views.values())))

    def _activations(self, modality: str, x: np.ndarray) -> np.ndarray:
        return (x - self.mean_) @ self.projection_


class CrossModalHasher(Hasher):
    """One linear function per modality: ``x maps_[m] - thresholds_[m]``, shapes (d_m, bits) and (bits,)."""

    maps_: dict[str, np.ndarray]
    thresholds_: dict[str, np.ndarray]

    def _activations(self, modality: str, x: np.ndarray) -> np.ndarray:
        return x @ self.maps_[modality] - self.thresholds_[modality]


def check_bits(bits: int) -> None:
    """An XmerError where codes of ``bits`` are too short, or do not fill whole bytes."""
    if bits < 16 or bits % 8:
        raise XmerError(f"hashing bits must be a multiple of 8, at least 16, not {bits}")


def sampled(x: np.ndarray, most: int, random: np.random.Generator) -> np.ndarray:
    """At most ``most`` of the rows, in their order."""
    return x if len(x) <= most else x[np.sort(random.choice(len(x), most, replace=False))]
