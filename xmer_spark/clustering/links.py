"""Matches as a weighted graph: which of them are links, how strong, and the clusters that they make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xmer_spark.clustering.base import Clusterer
from xmer_spark.clustering.odds import relative_to
from xmer_spark.clustering.splitting import split
from xmer_spark.clustering.thresholds import Threshold, no_threshold, thresholds
from xmer_spark.errors import XmerError
from xmer_spark.numerics import arrow
from xmer_spark.numerics.components import least_members

if TYPE_CHECKING:
    import pyarrow as pa


class Nodes(NamedTuple):
    """Items sorted by key (n): record is the least key of its items, source -1 where it may repeat."""

    key: np.ndarray
    record: np.ndarray
    source: np.ndarray


class Solved(NamedTuple):
    """The least item key of each item's cluster (n); components that were split, and links removed for it."""

    cluster: np.ndarray
    split: int
    removed: int


def no_items() -> XmerError:
    return XmerError("clustering: some matches are of items that do not exist; resolve again from embeddings")


def solve(
    nodes: Nodes, edges: np.ndarray, probability: np.ndarray, clusterer: Clusterer, most: int
) -> Solved:
    """Cluster ``nodes`` by their edges (m, 2), where components of more than ``most`` edges are split."""
    groups = least_members(nodes.record)
    apart = groups[edges[:, 0]] != groups[edges[:, 1]]  # what is of one record is together as it is
    edges, probability = edges[apart], probability[apart]
    removed = changed = 0
    if clusterer.refines:
        kept, changed = split(len(nodes.key), edges, probability, groups, most)
        removed = int(np.count_nonzero(~kept))
        edges, probability = edges[kept], probability[kept]
    labels = clusterer.cluster(
        len(nodes.key), edges, probability, source=nodes.source, groups=groups, keys=nodes.key
    )
    return Solved(nodes.key[labels], changed, removed)


def solve_tables(
    nodes: pa.Table,
    links: pa.Table,
    clusterer: Clusterer,
    threshold: Threshold,
    alone: Sequence[str],
    most: int,
) -> tuple[np.ndarray, Solved]:
    """``solve`` for tables: the items' keys, sorted, and what becomes of them.

    ``nodes`` has item_key, record, source, modality, sorted by item_key; ``links`` left_key, right_key and
    probability; ``alone`` names the sources of which a cluster can hold one record.
    """
    keys = nodes["item_key"].to_numpy()
    ends = np.stack([links["left_key"].to_numpy(), links["right_key"].to_numpy()], axis=1)
    edges = np.searchsorted(keys, ends)
    if len(ends) and not (len(keys) and (keys[np.minimum(edges, len(keys) - 1)] == ends).all()):
        raise no_items()
    probability = links["probability"].to_numpy().astype(float)
    least = _least(nodes["modality"], edges, threshold)
    strong = probability >= least
    sources, number = arrow.numbered(nodes["source"])
    solved = solve(
        Nodes(keys, nodes["record"].to_numpy(), np.where(np.isin(sources, alone)[number], number, -1)),
        edges[strong],
        relative_to(probability[strong], least[strong]),
        clusterer,
        most,
    )
    return keys, solved


def _least(modality: pa.ChunkedArray, edges: np.ndarray, threshold: Threshold) -> np.ndarray:
    """The threshold of every edge, by the modalities of its ends."""
    names, number = arrow.numbered(modality)
    left, right = number[edges].T
    least = thresholds(names.tolist(), threshold)[left, right]
    for edge in np.flatnonzero(np.isnan(least))[:1]:
        raise no_threshold(names[left[edge]], names[right[edge]])
    return least
