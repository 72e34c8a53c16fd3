"""How well the held-out records were put together: pairs and B-cubed, in all, by kinds, and by what is held.

Pairs between a held-out record and any other count.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations_with_replacement

import numpy as np

from xmer_spark.evaluation.bcubed import bcubed_measures, bcubed_statistics
from xmer_spark.evaluation.groups import missing
from xmer_spark.evaluation.pairs import cross_pair_statistics, pair_measures, pair_statistics
from xmer_spark.names import ALL, mix_name, pair_name
from xmer_spark.steps.evaluate.held_out import Resolved
from xmer_spark.steps.evaluate.intervals import Intervals
from xmer_spark.store.runs import Metric

PAIRS = ("pair_precision", "pair_recall", "pair_f1")
BCUBED = ("bcubed_precision", "bcubed_recall", "bcubed_f1")
#: B-cubed F1 of the entities that hold certain kinds of records.
HOLDING = "bcubed_f1_holding"


def metrics(resolved: Resolved, intervals: Intervals) -> Iterator[Metric]:
    """Precision, recall and F1; a pair of kinds is left out where nothing is to be found in it.

    B-cubed of a pair of kinds is over the records of these kinds alone, as if there were no others.
    """
    entity = known_or_alone(resolved.entity)
    everything = pairs_of_held_out(resolved, entity)
    if everything[:, 1:].any():
        yield from intervals.metrics(PAIRS, ALL, everything, pair_measures)
    yield from intervals.metrics(BCUBED, ALL, bcubed_of_held_out(resolved, entity), bcubed_measures)
    kinds = sorted(set(resolved.kind))
    for a, b in combinations_with_replacement(kinds, 2):
        found = pairs_of_held_out(resolved, entity, (a, b))
        if found[:, 2].any():
            about = pair_name(a, b)
            yield from intervals.metrics(PAIRS, about, found, pair_measures)
            by_entity = bcubed_of_held_out(resolved, entity, (a, b))
            yield from intervals.metrics(BCUBED, about, by_entity, bcubed_measures)
    yield from _by_what_is_held(resolved, entity, intervals)


def _by_what_is_held(resolved: Resolved, entity: np.ndarray, intervals: Intervals) -> Iterator[Metric]:
    """B-cubed F1 of the true entities by the kinds of the held-out records that each has."""
    by_entity = bcubed_of_held_out(resolved, entity)
    mix = mixes(entity[resolved.held_out], resolved.kind[resolved.held_out])
    for name in sorted(set(mix)):
        *_, f1 = intervals.metrics(
            (*BCUBED[:2], HOLDING),
            name,
            by_entity[mix == name],
            bcubed_measures,
            entities=int(sum(mix == name)),
        )
        yield f1


def mixes(entity: np.ndarray, kind: np.ndarray) -> np.ndarray:
    """The mix of kinds that each entity has, in the order of the entities' numbers.

    >>> mixes(np.array([4, 2, 4]), np.array(["text", "row", "image"])).tolist()
    ['row', 'image-text']
    """
    names, number = np.unique(kind.astype(str), return_inverse=True)
    entities, row = np.unique(entity, return_inverse=True)
    held = np.zeros((len(entities), len(names)), dtype=bool)
    held[row, number] = True
    different, which = np.unique(held, axis=0, return_inverse=True)
    return np.array([mix_name(names[some]) for some in different], dtype=object)[which.reshape(-1)]


def known_or_alone(entity: np.ndarray) -> np.ndarray:
    """Entities (n) as numbers from 0; a record whose truth is unknown is an entity of its own.

    Resolving something with it is therefore counted as wrong.

    >>> known_or_alone(np.array(["b", None, "a", "b", None], dtype=object)).tolist()
    [1, 2, 0, 1, 3]
    """
    unknown = missing(entity)
    names, known = np.unique(entity[~unknown].astype(str), return_inverse=True)
    numbers = np.empty(len(entity), dtype=np.int64)
    numbers[~unknown] = known
    numbers[unknown] = len(names) + np.arange(int(unknown.sum()))
    return numbers


def bcubed_of_held_out(
    resolved: Resolved, entity: np.ndarray, kinds: tuple[str, str] | None = None
) -> np.ndarray:
    """B-cubed statistics of the held-out records' entities, among the records of these kinds or of all."""
    rows = _of_kinds(resolved, kinds)
    statistics = bcubed_statistics(resolved.cluster[rows], entity[rows])
    return statistics[np.isin(np.unique(entity[rows]), entity[rows & resolved.held_out])]


def pairs_of_held_out(
    resolved: Resolved, entity: np.ndarray, kinds: tuple[str, str] | None = None
) -> np.ndarray:
    """Right, predicted and true pairs with a held-out record, of these kinds or of any: (entities, 3).

    They are all pairs less those without a held-out record. Entities without any such pair are left out.
    """
    rows = _of_kinds(resolved, kinds)
    found = _pairs(resolved, entity, rows, kinds) - _pairs(resolved, entity, rows & ~resolved.held_out, kinds)
    return found[found.any(axis=1)]


def _of_kinds(resolved: Resolved, kinds: tuple[str, str] | None) -> np.ndarray:
    if kinds is None:
        return np.ones(len(resolved.kind), dtype=bool)
    found: np.ndarray = np.isin(resolved.kind, kinds)
    return found


def _pairs(
    resolved: Resolved, entity: np.ndarray, rows: np.ndarray, kinds: tuple[str, str] | None
) -> np.ndarray:
    """Pair statistics of some of the records, with a row for each entity of them all."""
    found = np.zeros((entity.max(initial=-1) + 1, 3))
    chosen = resolved.cluster[rows], entity[rows]
    if kinds is None or kinds[0] == kinds[1]:
        statistics = pair_statistics(*chosen)
    else:
        statistics = cross_pair_statistics(*chosen, resolved.kind[rows] == kinds[0])
    found[np.unique(entity[rows])] = statistics
    return found
