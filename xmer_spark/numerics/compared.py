"""Which pairs are compared and which of them are of one thing: of sources by name, and of items by number.

A source that holds each thing once is not compared with itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np


def possible_pairs(sizes: Mapping[str, int], pairs: Iterable[tuple[str, str]]) -> int:
    """How many pairs of items pairs of sources have; a source without a size has no items.

    >>> possible_pairs({"a": 2, "b": 3}, [("a", "b"), ("b", "b")])
    9
    """
    found = ((sizes.get(a, 0), sizes.get(b, 0), a == b) for a, b in pairs)
    return sum(n * (n - 1) // 2 if within else n * m for n, m, within in found)


def compared(left_source: np.ndarray, right_source: np.ndarray, alone: np.ndarray) -> np.ndarray:
    """Whether the items of each pair (p) are of sources that are compared.

    The sources are numbers, and ``alone`` (sources) says which of them hold each thing once.

    >>> compared(np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([True, False])).tolist()
    [False, True, True]
    """
    return (left_source != right_source) | ~alone[left_source]


def equal_pairs(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The indices i (p) and j (p) of all pairs of equal values of ``left`` and ``right``, by i and then j.

    >>> [x.tolist() for x in equal_pairs(np.array([5, 7, 5]), np.array([5, 9, 5]))]
    [[0, 0, 2, 2], [0, 2, 0, 2]]
    """
    order = np.argsort(right, kind="stable")
    first = np.searchsorted(right[order], left, "left")
    count = np.searchsorted(right[order], left, "right") - first
    i = np.repeat(np.arange(len(left)), count)
    within = np.arange(len(i)) - np.repeat(np.cumsum(count) - count, count)
    return i, order[np.repeat(first, count) + within]
