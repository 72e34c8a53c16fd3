"""What holds clusters together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

from xmer_spark.numerics.components import strongest_tree


def entity_links(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The mean probability of each cluster's scored pairs, and the weakest link that holds it together.

    ``batches`` have cluster, left_key, right_key and probability, and every cluster is whole within them. The
    weakest link is the least probability in a maximum spanning tree over records.
    """
    received = list(batches)
    if not received:
        return
    table = pa.Table.from_batches(received)
    # sorted, so that the sums are made in one order whatever the order of arrival
    table = table.sort_by([(name, "ascending") for name in ("cluster", "left_key", "right_key")])
    cluster, place = np.unique(table["cluster"].to_numpy(), return_inverse=True)
    probability = table["probability"].to_numpy().astype(float)
    records = np.concatenate([table["left_key"].to_numpy(), table["right_key"].to_numpy()])
    names, node = np.unique(records, return_inverse=True)
    tree = strongest_tree(len(names), node.reshape(2, -1).T, probability)
    lowest = np.ones(len(cluster))
    np.minimum.at(lowest, place[tree], probability[tree])
    cohesion = np.bincount(place, probability) / np.bincount(place)
    yield pa.RecordBatch.from_arrays(
        [pa.array(cluster), pa.array(cohesion.astype(np.float32)), pa.array(lowest.astype(np.float32))],
        names=["cluster", "cohesion", "lowest_link"],
    )
