"""Matches as a weighted graph of records, and the clusters that its links make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xmer_spark.clustering.base import Clusterer
from xmer_spark.clustering.splitting import split
from xmer_spark.errors import XmerError
from xmer_spark.numerics import arrow

if TYPE_CHECKING:
    import pyarrow as pa


class Nodes(NamedTuple):
    """Records sorted by key (n); source is -1 where it may be in a cluster several times."""

    key: np.ndarray
    source: np.ndarray


class Solved(NamedTuple):
    """The least record key of each record's cluster (n); components split, and links removed for it."""

    cluster: np.ndarray
    split: int
    removed: int


def no_records() -> XmerError:
    return XmerError("clustering: some matches are of records that do not exist; resolve from the start")


def solve(
    nodes: Nodes, edges: np.ndarray, probability: np.ndarray, clusterer: Clusterer, most: int
) -> Solved:
    """Cluster ``nodes`` by their edges (m, 2), where components of more than ``most`` edges are split."""
    removed = changed = 0
    if clusterer.refines:
        kept, changed = split(len(nodes.key), edges, probability, most)
        removed = int(np.count_nonzero(~kept))
        edges, probability = edges[kept], probability[kept]
    labels = clusterer.cluster(len(nodes.key), edges, probability, source=nodes.source, keys=nodes.key)
    return Solved(nodes.key[labels], changed, removed)


def solve_tables(
    nodes: pa.Table, links: pa.Table, clusterer: Clusterer, alone: Sequence[str], most: int
) -> tuple[np.ndarray, Solved]:
    """``solve`` for tables: the records' keys, sorted, and what becomes of them.

    ``nodes`` has record_key and source, sorted by record_key; ``links`` left_key, right_key and decided;
    ``alone`` names the sources of which a cluster can hold one record.
    """
    keys = nodes["record_key"].to_numpy()
    ends = np.stack([links["left_key"].to_numpy(), links["right_key"].to_numpy()], axis=1)
    edges = np.searchsorted(keys, ends)
    if len(ends) and not (len(keys) and (keys[np.minimum(edges, len(keys) - 1)] == ends).all()):
        raise no_records()
    sources, number = arrow.numbered(nodes["source"])
    source = np.where(np.isin(sources, alone)[number], number, -1)
    decided = links["decided"].to_numpy().astype(float)
    return keys, solve(Nodes(keys, source), edges, decided, clusterer, most)
