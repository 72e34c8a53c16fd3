"""How well the held-out items were put together: pairs, over all and by modality pair, and B-cubed.

Pairs between a held-out item and any other count.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations_with_replacement

import numpy as np

from xmer_spark.evaluation.bcubed import bcubed_measures, bcubed_statistics
from xmer_spark.evaluation.groups import missing
from xmer_spark.evaluation.pairs import cross_pair_statistics, pair_measures, pair_statistics
from xmer_spark.names import ALL, pair_name
from xmer_spark.steps.evaluate.held_out import Resolved
from xmer_spark.steps.evaluate.intervals import Intervals
from xmer_spark.store.runs import Metric

PAIRS = ("pair_precision", "pair_recall", "pair_f1")
BCUBED = ("bcubed_precision", "bcubed_recall", "bcubed_f1")


def metrics(resolved: Resolved, intervals: Intervals) -> Iterator[Metric]:
    """Precision, recall and F1; a modality pair is left out where nothing is to be found in it."""
    entity = known_or_alone(resolved.entity)
    everything = pairs_of_held_out(resolved, entity)
    if everything[:, 1:].any():
        yield from intervals.metrics(PAIRS, ALL, everything, pair_measures)
    for a, b in combinations_with_replacement(sorted(set(resolved.modality)), 2):
        found = pairs_of_held_out(resolved, entity, (a, b))
        if found[:, 2].any():
            yield from intervals.metrics(PAIRS, pair_name(a, b), found, pair_measures)
    own = np.unique(entity[resolved.held_out])
    by_entity = bcubed_statistics(resolved.cluster, entity)[own]
    yield from intervals.metrics(BCUBED, ALL, by_entity, bcubed_measures)


def known_or_alone(entity: np.ndarray) -> np.ndarray:
    """Entities (n) as numbers from 0; an item whose truth is unknown is an entity of its own.

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


def pairs_of_held_out(
    resolved: Resolved, entity: np.ndarray, modalities: tuple[str, str] | None = None
) -> np.ndarray:
    """Right, predicted and true pairs with a held-out item, of these modalities or of any: (entities, 3).

    They are all pairs less those without a held-out item. Entities without any such pair are left out.
    """
    rows = np.ones(len(entity), dtype=bool)
    if modalities is not None:
        rows = np.isin(resolved.modality, modalities)
    found = _pairs(resolved, entity, rows, modalities) - _pairs(
        resolved, entity, rows & ~resolved.held_out, modalities
    )
    return found[found.any(axis=1)]


def _pairs(
    resolved: Resolved, entity: np.ndarray, rows: np.ndarray, modalities: tuple[str, str] | None
) -> np.ndarray:
    """Pair statistics of some of the items, with a row for each entity of them all."""
    found = np.zeros((entity.max(initial=-1) + 1, 3))
    chosen = resolved.cluster[rows], entity[rows]
    if modalities is None or modalities[0] == modalities[1]:
        statistics = pair_statistics(*chosen, resolved.record[rows])
    else:
        left = resolved.modality[rows] == modalities[0]
        statistics = cross_pair_statistics(*chosen, left, resolved.record[rows])
    found[np.unique(entity[rows])] = statistics
    return found
