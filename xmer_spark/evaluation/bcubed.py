"""B-cubed precision, recall and F1 (Bagga & Baldwin 1998).

Of a record's cluster, the share that is of its entity; of its entity, the share that is in its cluster;
averaged over records. Unlike pair counts, a big entity weighs only as much as its records.
"""

from __future__ import annotations

import numpy as np

from xmer_spark.evaluation.groups import aligned, joint, sizes
from xmer_spark.evaluation.shares import share


def bcubed_statistics(clusters: np.ndarray, entities: np.ndarray) -> np.ndarray:
    """Sums of the records' precision and recall, and the number of records, by entity, (entities, 3)."""
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
    precision, recall, records = np.moveaxis(np.asarray(statistics, dtype=np.float64), -1, 0)
    f1 = share(2 * precision * recall, (precision + recall) * records)
    return np.stack([share(precision, records), share(recall, records), f1], axis=-1)
