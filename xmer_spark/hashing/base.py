"""What all hashers share: bits packed into 64-bit words, and distances between codes."""

from __future__ import annotations

from abc import abstractmethod
from typing import Self

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.methods import Method

WORD = 64


class Hasher(Method):
    """Maps embeddings to binary codes by the signs of learnt projections.

    A fitted hasher has ``mean_`` (d,) and ``projection_`` (d, bits).
    """

    bits: int
    mean_: np.ndarray
    projection_: np.ndarray

    @abstractmethod
    def fit(self, x: np.ndarray, labels: np.ndarray | None = None) -> Self:
        """Learn from (n, d) embeddings of all modalities together."""

    def codes(self, x: np.ndarray) -> np.ndarray:
        """(n, d) embeddings -> (n, bits / 64) uint64: word 0 first, bit 0 lowest."""
        return pack((x - self.mean_) @ self.projection_ > 0)


def check_bits(bits: int) -> None:
    """An XmerError where ``bits`` do not fill whole words."""
    if bits <= 0 or bits % WORD:
        raise XmerError(f"hashing bits must be a positive multiple of {WORD}, not {bits}")


def pack(bits: np.ndarray) -> np.ndarray:
    """(n, b) booleans -> (n, b / 64) uint64; bit i of a row is bit i % 64 of word i // 64.

    >>> bits = np.zeros((1, 128), dtype=bool)
    >>> bits[0, [0, 2, 64]] = True
    >>> pack(bits).tolist()
    [[5, 1]]
    """
    check_bits(bits.shape[1])
    octets = np.packbits(bits, axis=1, bitorder="little")
    return octets.view("<u8").astype(np.uint64, copy=False)


def unpack(codes: np.ndarray) -> np.ndarray:
    """The inverse of ``pack``: (n, words) uint64 -> (n, 64 words) booleans."""
    octets = np.ascontiguousarray(codes, dtype="<u8").view(np.uint8)
    return np.unpackbits(octets, axis=1, bitorder="little").astype(bool)


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
