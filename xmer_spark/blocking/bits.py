"""Chosen bits of packed codes, and the masks that flip a few of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xmer_spark.numerics.hamming import WORD

_BYTE = 8
_VALUES = np.arange(1 << _BYTE, dtype=np.uint64)


def octets(codes: np.ndarray) -> np.ndarray:
    """(n, words) codes as (8 words, n) bytes, each row contiguous; byte 0 holds bits 0 to 7."""
    return np.ascontiguousarray(np.ascontiguousarray(codes, "<u8").view(np.uint8).T)


def take_bits(code_octets: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """The bits at up to 64 ``positions`` of each code as one number, the first position lowest: (n) uint64.

    A table of 256 entries says what each byte of the code contributes, which is many times faster than
    unpacking the bits.

    >>> codes = np.array([[0b1000_0000_0000], [0b1]], np.uint64)
    >>> take_bits(octets(codes), np.array([11, 3, 0])).tolist()
    [1, 4]
    """
    taken = np.zeros(code_octets.shape[1], np.uint64)
    for byte in np.unique(positions // _BYTE):
        table = np.zeros(1 << _BYTE, np.uint64)
        for place in np.flatnonzero(positions // _BYTE == byte):
            bit = np.uint64(positions[place] % _BYTE)
            table |= (_VALUES >> bit & np.uint64(1)) << np.uint64(place)
        taken |= np.take(table, code_octets[byte])
    return taken


def take_each(code_octets: np.ndarray, samples: Sequence[np.ndarray]) -> list[np.ndarray]:
    """``take_bits`` for several samples: as many as fit into a word are taken together."""
    taken: list[np.ndarray] = []
    while len(taken) < len(samples):
        ends = np.cumsum([len(sample) for sample in samples[len(taken) :]])
        together = samples[len(taken) :][: max(1, int(np.searchsorted(ends, WORD, side="right")))]
        word = take_bits(code_octets, np.concatenate(together))
        for sample, end in zip(together, ends, strict=False):
            shift, mask = np.uint64(end - len(sample)), np.uint64((1 << len(sample)) - 1)
            taken.append(word >> shift & mask if len(sample) else np.zeros_like(word))
    return taken


def flip_masks(bits: int, flips: int) -> np.ndarray:
    """What to flip in a number of so many bits to reach all within ``flips`` of it, nearest first: uint64.

    >>> flip_masks(3, 1).tolist()
    [0, 1, 2, 4]
    """
    level = np.zeros(1, np.uint64)
    levels = [level]
    for _ in range(flips):
        # A bit above all that are set: every set of bits is built once.
        higher = [level[level < np.uint64(1 << bit)] | np.uint64(1 << bit) for bit in range(bits)]
        level = np.concatenate([np.empty(0, np.uint64), *higher])
        levels.append(level)
    return np.concatenate(levels)
