"""B-cubed precision, recall and F1 (Bagga & Baldwin 1998).

Of an item's cluster, the share that is of its entity; of its entity, the share that is in its cluster;
averaged over items. Unlike pair counts, a big entity weighs only as much as its items.
"""

from __future__ import annotations

import numpy as np

from xmer_spark.evaluation.groups import aligned, joint, sizes
from xmer_spark.evaluation.shares import share


def bcubed_statistics(clusters: np.ndarray, entities: np.ndarray) -> np.ndarray:
    """Sums of the items' precision and recall, and the number of items, by entity, (entities, 3)."""
    cluster, entity = aligned(clusters, entities)
    cell = sizes(joint(cluster, entity))
    count = np.bincount(entity)
    return np.stack(
        [
            np.bincount(entity, weights=share(cell, sizes(cluster))),
            np.bincount(entity, weights=share(cell, sizes(entity))),
            count,
        ],
        axis=1,
    )


def bcubed_measures(statistics: np.ndarray) -> np.ndarray:
    """Sums of B-cubed statistics, (..., 3), to precision, recall and F1, (..., 3).

    >>> statistics = bcubed_statistics(np.array([1, 1]), np.array(["a", "b"]))
    >>> bcubed_measures(statistics.sum(axis=0)).round(3).tolist()
    [0.5, 1.0, 0.667]
    """
    precision, recall, items = np.moveaxis(np.asarray(statistics, dtype=np.float64), -1, 0)
    f1 = share(2 * precision * recall, (precision + recall) * items)
    return np.stack([share(precision, items), share(recall, items), f1], axis=-1)
