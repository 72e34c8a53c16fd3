"""How a Hamming radius is shared out among substrings of a code: the general pigeonhole principle.

If two codes differ in at most r bits, and disjoint substrings i are given radii r_i with
sum_i (r_i + 1) = r + 1, then in some substring they differ in at most r_i bits: otherwise they would
differ in at least sum_i (r_i + 1) > r. A substring of radius -1 is not looked at.

Qin et al. 2018 (GPH). Deviations: one allocation for all items instead of one per query, as both sides
of a join must agree on it; the order of the bits is the cheapest of a few instead of one by their entropy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from math import comb
from typing import NamedTuple

import numpy as np

from xmer_spark.blocking.bits import octets, take_bits
from xmer_spark.blocking.costs import CANDIDATE, CROWDED, LOOK_UP, PARTITIONS, SCANNED, TABLE
from xmer_spark.blocking.tables import Table
from xmer_spark.numerics.hamming import WORD

#: By how much the sample's cost exceeds that of evenly spread codes before other orders of the bits are
#: tried, and how many.
_UNEVEN, _ORDERS = 1.2, 5
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
    #: Substrings that the code was cut into; those that are not looked at have no table.
    pieces: int = 0


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
    """The cheapest allocation for ``items`` a side whose codes are spread as in the sample of both sides.

    Where the sample agrees in some substring so much more often than by chance that it costs, the bits are
    shared out anew, in a few other random orders: the bits of a crowded bucket then lie in several.
    """
    best = Allocation((), float(items) ** 2 * SCANNED * total_bits / WORD)
    if substrings is not None:
        best = Allocation((), np.inf)
    counts = range(1, min(radius + 1, total_bits) + 1) if substrings is None else [substrings]
    order = np.random.default_rng(seed).permutation(total_bits)
    if sample is None:
        return _best_of(best, [order], counts, radius, items, None)
    sampled = tuple(octets(_spread(codes)) for codes in sample)
    found = _best_of(best, [order], counts, radius, items, sampled)
    even = uniform_allocation(radius, substrings, items, seed, total_bits)
    if found.seconds <= _UNEVEN * even.seconds:
        return found
    orders = [np.random.default_rng((seed, n)).permutation(total_bits) for n in range(1, _ORDERS + 1)]
    tried = {allocation.pieces for allocation in (found, even)} & set(counts)
    return _best_of(found, orders, sorted(tried), radius, items, sampled)


def _best_of(
    best: Allocation,
    orders: Sequence[np.ndarray],
    counts: Iterable[int],
    radius: int,
    items: int,
    sampled: tuple[np.ndarray, ...] | None,
) -> Allocation:
    """The cheapest of ``best`` and what these orders of the bits, cut into so many substrings, allow."""
    for count in counts:
        for order in orders:
            pieces = _pieces(order, count)
            costs = np.array([_costs(piece, radius, items, sampled) for piece in pieces])
            seconds, radii = allocate(costs, radius + 1)
            if seconds < best.seconds:
                tables = (Table(piece, r) for piece, r in zip(pieces, radii, strict=True) if r >= 0)
                best = Allocation(tuple(tables), seconds, count)
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


def _pieces(order: np.ndarray, count: int) -> list[np.ndarray]:
    """Disjoint substrings of nearly equal length, at most one word each, of the bits in this order."""
    bounds = np.linspace(0, len(order), count + 1).astype(int)
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
        compared = (CANDIDATE * chance + CROWDED * crowded) * float(items) ** 2
        # One side is sent to wherever its probes lead, the other to one partition.
        sent = (1 + min(probes, PARTITIONS)) / 2 * items
        costs.append(TABLE * sent + LOOK_UP * looked_up + compared)
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
