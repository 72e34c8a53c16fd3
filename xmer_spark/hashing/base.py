"""What all hashers share: their interface, bits packed into 64-bit words, and distances between codes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Self

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.methods import Method

WORD = 64

Views = Mapping[str, np.ndarray]
Labels = Mapping[str, np.ndarray]
Pairs = Mapping[tuple[str, str], np.ndarray]


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


def pack(bits: np.ndarray) -> np.ndarray:
    """(n, b) booleans -> (n, ceil(b / 64)) uint64; bit i of a row is bit i % 64 of word i // 64.

    >>> bits = np.zeros((1, 72), dtype=bool)
    >>> bits[0, [0, 2, 64]] = True
    >>> pack(bits).tolist()
    [[5, 1]]
    """
    words = -(-bits.shape[1] // WORD)
    octets = np.zeros((len(bits), words * 8), np.uint8)
    packed = np.packbits(bits, axis=1, bitorder="little")
    octets[:, : packed.shape[1]] = packed
    return octets.view("<u8").astype(np.uint64, copy=False)


def unpack(codes: np.ndarray, bits: int | None = None) -> np.ndarray:
    """The inverse of ``pack``: (n, words) uint64 -> (n, bits) booleans, all bits where not told."""
    octets = np.ascontiguousarray(codes, dtype="<u8").view(np.uint8)
    return np.unpackbits(octets, axis=1, bitorder="little", count=bits).astype(bool)


def hamming(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Differing bits of the codes in the same row: two (n, words) uint64 -> (n,) int32."""
    distance = np.zeros(len(a), dtype=np.int32)
    for word in range(a.shape[1]):  # a column at a time is many times faster than a row at a time
        distance += np.bitwise_count(a[:, word] ^ b[:, word])
    return distance


def hamming_matrix(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Differing bits of every two codes: (n, words) and (m, words) uint64 -> (n, m) int32."""
    distance = np.zeros((len(a), len(b)), dtype=np.int32)
    for word in range(a.shape[1]):
        distance += np.bitwise_count(a[:, None, word] ^ b[None, :, word])
    return distance
