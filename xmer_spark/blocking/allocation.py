"""How a Hamming radius is shared out among substrings of a code: the general pigeonhole principle.

If two codes differ in at most r bits, and disjoint substrings i are given radii r_i with
sum_i (r_i + 1) = r + 1, then in some substring they differ in at most r_i bits: otherwise they would
differ in at least sum_i (r_i + 1) > r. A substring of radius -1 is not looked at.

Qin et al. 2018 (GPH). Deviations: one allocation for all items instead of one a query, as both sides
of a join must agree on it; bits are put together at random instead of by their entropy.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from math import comb
from typing import NamedTuple

import numpy as np

from xmer_spark.blocking.bits import octets, take_bits
from xmer_spark.blocking.hamming import WORD
from xmer_spark.blocking.tables import Table

#: Seconds, measured on one core: what an item costs in each table, to look up one bucket, to compare a
#: candidate that a table proposes, to compare one of a crowded bucket, and one word of a pair among all.
_TABLE, _LOOK_UP, _CANDIDATE, _CROWDED, _SCANNED = 3e-7, 5e-8, 1e-8, 2e-9, 1.6e-9
#: Buckets that one item looks into, at most.
_MOST_PROBES = 1 << 16
#: Pairs of the sample that are looked at.
_SAMPLE_EDGE = 512


class Allocation(NamedTuple):
    """Tables that together find every pair within the radius, and the seconds predicted on one core.

    Without tables, all pairs are compared: that is cheaper, or no tables are allowed.
    """

    tables: tuple[Table, ...]
    seconds: float


@lru_cache(maxsize=64)
def uniform_allocation(
    radius: int, substrings: int | None, items: int, seed: int, total_bits: int
) -> Allocation:
    """The cheapest allocation for ``items`` a side, if codes are spread evenly."""
    return cheapest(radius, substrings, items, seed, total_bits, None)


def cheapest(
    radius: int,
    substrings: int | None,
    items: int,
    seed: int,
    total_bits: int,
    sample: tuple[np.ndarray, np.ndarray] | None,
) -> Allocation:
    """The cheapest allocation for ``items`` a side whose codes are spread as in the sample of both sides."""
    best = Allocation((), float(items) ** 2 * _SCANNED * total_bits / WORD)
    if substrings is not None:
        best = Allocation((), np.inf)
    counts = range(1, min(radius + 1, total_bits) + 1) if substrings is None else [substrings]
    sampled = None if sample is None else tuple(octets(_spread(codes)) for codes in sample)
    for count in counts:
        pieces = _pieces(total_bits, count, seed)
        costs = np.array([_costs(piece, radius, items, sampled) for piece in pieces])
        seconds, radii = allocate(costs, radius + 1)
        if seconds < best.seconds:
            tables = (Table(piece, r) for piece, r in zip(pieces, radii, strict=True) if r >= 0)
            best = Allocation(tuple(tables), seconds)
    return best


def allocate(costs: np.ndarray, budget: int) -> tuple[float, list[int]]:
    """The cheapest radii r_i with sum (r_i + 1) = ``budget``, by dynamic programming: cost and radii.

    ``costs`` (substrings, choices): what each costs at radius -1, 0, 1, ...; infinite where it cannot be.

    >>> allocate(np.array([[0.0, 1.0, 9.0], [0.0, 5.0, 6.0]]), 2)
    (6.0, [0, 0])
    >>> allocate(np.array([[0.0, 9.0, 9.0], [0.0, 5.0, 6.0]]), 2)
    (6.0, [-1, 1])
    """
    best = np.full(budget + 1, np.inf)
    best[0] = 0
    chosen = []
    for row in costs:
        options = np.full((len(row), budget + 1), np.inf)
        for spent, cost in enumerate(row[: budget + 1]):
            options[spent, spent:] = best[: budget + 1 - spent] + cost
        chosen.append(options.argmin(axis=0))
        best = options.min(axis=0)
    radii = []
    left = budget
    for choice in reversed(chosen):
        radii.append(int(choice[left]) - 1)
        left -= int(choice[left])
    return float(best[budget]), radii[::-1]


def _spread(codes: np.ndarray) -> np.ndarray:
    """A few rows from all over the sample."""
    return codes[np.linspace(0, len(codes), min(len(codes), _SAMPLE_EDGE), endpoint=False).astype(int)]


def _pieces(total_bits: int, count: int, seed: int) -> list[np.ndarray]:
    """Disjoint substrings of nearly equal length, at most a word each, of randomly ordered bits."""
    order = np.random.default_rng(seed).permutation(total_bits)
    bounds = np.linspace(0, total_bits, count + 1).astype(int)
    return [order[low : min(high, low + WORD)] for low, high in pairwise(bounds)]


def _costs(piece: np.ndarray, radius: int, items: int, sample: tuple[np.ndarray, ...] | None) -> list[float]:
    """Seconds that a substring costs at radius -1, 0, ..., ``radius``."""
    bits = len(piece)
    seen = None if sample is None else _shares(piece, sample)
    costs = [0.0]
    for r, probes in enumerate(_balls(bits, radius)):
        if probes > _MOST_PROBES:
            costs.append(np.inf)
            continue
        # By chance codes agree in small buckets. What agrees more often does so in crowded ones.
        chance = probes / 2.0**bits
        crowded = 0.0 if seen is None else max(0.0, float(seen[min(r, len(seen) - 1)]) - chance)
        looked_up = min(items, 2.0**bits) * probes
        compared = (_CANDIDATE * chance + _CROWDED * crowded) * float(items) ** 2
        costs.append(_TABLE * items + _LOOK_UP * looked_up + compared)
    return costs + [np.inf] * (radius + 2 - len(costs))


def _balls(bits: int, radius: int) -> Iterator[int]:
    """The numbers of so many bits within 0, 1, ... of any, up to ``radius`` or all bits."""
    total = 0
    for r in range(min(radius, bits) + 1):
        total += comb(bits, r)
        yield total


def _shares(piece: np.ndarray, sample: tuple[np.ndarray, ...]) -> np.ndarray:
    """The share of the sampled pairs that differ in at most 0, 1, ... of these bits."""
    left, right = (take_bits(code_octets, piece) for code_octets in sample)
    differing = np.bitwise_count(left[:, None] ^ right).ravel()
    counts = np.bincount(differing, minlength=len(piece) + 1)
    return np.asarray(np.cumsum(counts) / max(1, len(differing)))
