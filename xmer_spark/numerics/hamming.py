"""Binary codes packed into 64-bit words, and how many bits of them differ."""

from __future__ import annotations

import numpy as np

WORD = 64


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
    return distances(columns(a), columns(b))


def hamming_matrix(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Differing bits of every two codes: (n, words) and (m, words) uint64 -> (n, m) int32."""
    return distances([word[:, None] for word in columns(a)], [word[None, :] for word in columns(b)])


def columns(codes: np.ndarray) -> list[np.ndarray]:
    """The words of (n, words) codes, each contiguous: counting bits by row is 20 times slower."""
    return list(np.ascontiguousarray(codes.T))


def distances(left: list[np.ndarray], right: list[np.ndarray]) -> np.ndarray:
    """Differing bits of codes given as columns that broadcast against each other, int32.

    >>> codes = np.array([[0b1011], [0b0001]], np.uint64)
    >>> distances(columns(codes), columns(codes[::-1])).tolist()
    [2, 2]
    """
    return small_distances(left, right).astype(np.int32)


def small_distances(left: list[np.ndarray], right: list[np.ndarray]) -> np.ndarray:
    """The same in the fewest bytes that hold them, unsigned: what is compared with a limit and dropped."""
    total: np.ndarray = np.bitwise_count(left[0] ^ right[0])
    if len(left) > 3:  # 256 bits may differ
        total = total.astype(np.uint16)
    for a, b in zip(left[1:], right[1:], strict=True):
        total += np.bitwise_count(a ^ b)
    return total
