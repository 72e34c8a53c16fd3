"""Which entity a cluster is: ids that stay stable as data arrives, and every change as an event.

An entity goes where the largest part of the members that it still has is. Of the entities that come to one
cluster, the oldest of those that bring most of their members gives it its id; if none brings most, the one
that brings the largest number. A cluster to which none comes is a new entity.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from xmer_spark.schema import ENTITY_EVENTS

_KINDS = {"string": pa.string(), "int": pa.int32(), "array<string>": pa.list_(pa.string())}
EVENTS = pa.schema([(column.name, _KINDS[column.type]) for column in ENTITY_EVENTS.columns])


@dataclass(frozen=True)
class Overlaps:
    """Entities of before, clusters of now, and how many records they have in common.

    Any part of the whole can be decided on its own, as long as what overlaps stays together.
    """

    entity_id: np.ndarray  # (entities) str
    entity_size: np.ndarray
    age: np.ndarray  # less is older
    cluster: np.ndarray  # (clusters) least record key
    cluster_size: np.ndarray
    entity: np.ndarray  # (overlaps) position in entity_id
    place: np.ndarray  # (overlaps) position in cluster
    records: np.ndarray  # (overlaps) records in common, at least 1


class Decision(NamedTuple):
    """The entity id of every cluster, and the events as a table of ``EVENTS``."""

    ids: np.ndarray
    events: pa.Table


def short_hash(*parts: object) -> str:
    """16 hexadecimal digits: the start of the SHA-256 of the parts, one a line."""
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:16]


def mint(run_id: str, cluster: int) -> str:
    """The id of a new entity: it hangs on the run and the cluster's least record key.

    >>> mint("r1", -5)
    'e-e4476464b30695f3'
    """
    return f"e-{short_hash(run_id, cluster)}"


def overlaps(
    records_before: np.ndarray,
    entity_id: np.ndarray,
    age: np.ndarray,
    records: np.ndarray,
    cluster: np.ndarray,
) -> Overlaps:
    """From memberships: the entity, with its age, of each record before, and the cluster of each now."""
    names, first, entity, entity_size = np.unique(
        entity_id, return_index=True, return_inverse=True, return_counts=True
    )
    clusters, place, cluster_size = np.unique(cluster, return_inverse=True, return_counts=True)
    _, i, j = np.intersect1d(records_before, records, assume_unique=True, return_indices=True)
    both, count = np.unique(entity[i] * len(clusters) + place[j], return_counts=True)
    rows = (both // len(clusters), both % len(clusters)) if len(both) else (both, both)
    return Overlaps(names, entity_size, age[first], clusters, cluster_size, *rows, count)


def decide(overlaps: Overlaps, run_id: str) -> Decision:
    """The entity id of every cluster, and what happened to every entity."""
    o = overlaps
    heirs = _heirs(o)
    _, first = np.unique(o.place[heirs], return_index=True)
    winner = np.full(len(o.cluster), -1)
    winner[o.place[heirs[first]]] = o.entity[heirs[first]]

    new = np.flatnonzero(winner < 0)
    minted = [mint(run_id, cluster) for cluster in o.cluster[new].tolist()]
    names = np.array([*o.entity_id.tolist(), *minted], dtype=object)
    number = winner.copy()
    number[new] = len(o.entity_id) + np.arange(len(new))
    return Decision(names[number], _events(o, names, number, heirs, run_id))


def _heirs(o: Overlaps) -> np.ndarray:
    """Each entity's overlap with the cluster it goes to; of a cluster, first that whose id it keeps."""
    largest = np.lexsort((o.cluster[o.place], -o.records, o.entity))
    _, first = np.unique(o.entity[largest], return_index=True)
    heirs = largest[first]
    remaining = np.bincount(o.entity, o.records, len(o.entity_id))
    scattered = 2 * o.records[heirs] <= remaining[o.entity[heirs]]
    fewer = np.where(scattered, -o.records[heirs], 0)
    entity = o.entity[heirs]
    return heirs[np.lexsort((_ranks(o.entity_id)[entity], o.age[entity], fewer, scattered, o.place[heirs]))]


def _events(o: Overlaps, names: np.ndarray, number: np.ndarray, heirs: np.ndarray, run_id: str) -> pa.Table:
    """Created or retired, or at most one gain (merged, grown) and one loss (split, shrunk) an entity."""
    count = len(names)
    before, after = np.zeros(count, np.int64), np.zeros(count, np.int64)
    before[: len(o.entity_id)] = o.entity_size
    after[number] = o.cluster_size

    target = number[o.place]
    moved = np.flatnonzero(o.entity != target)
    origins = _lists(target[moved], o.entity[moved], names)
    targets = _lists(o.entity[moved], target[moved], names)
    received, gave = _among(target[moved], count), _among(o.entity[moved], count)
    found = after > np.bincount(target, o.records, count)
    lost = before > np.bincount(o.entity, o.records, count)
    absorbed = heirs[after[o.entity[heirs]] == 0]

    stayed = (before > 0) & (after > 0)
    merged = stayed & _among(target[absorbed], count)
    kinds = [
        ("created", before == 0, origins),
        ("retired", after == 0, targets),
        ("merged", merged, origins),
        ("grown", stayed & ~merged & (received | found), origins),
        ("split", stayed & gave, targets),
        ("shrunk", stayed & ~gave & lost, targets),
    ]
    tables = []
    for kind, which, others in kinds:
        rows = np.flatnonzero(which)
        entity = names[rows].tolist()
        columns = {
            "event_id": [short_hash(run_id, kind, name) for name in entity],
            "run_id": [run_id] * len(rows),
            "kind": [kind] * len(rows),
            "entity_id": entity,
            "others": others.take(pa.array(rows)),
            "records_before": before[rows],
            "records_after": after[rows],
        }
        tables.append(pa.table(columns, schema=EVENTS))
    return pa.concat_tables(tables).sort_by([("entity_id", "ascending"), ("kind", "ascending")])


def _lists(by: np.ndarray, value: np.ndarray, names: np.ndarray) -> pa.ListArray:
    """For each of ``names`` the names of its values, sorted."""
    order = np.lexsort((_ranks(names)[value], by))
    ends = np.cumsum(np.bincount(by, minlength=len(names)))
    offsets = np.concatenate([[0], ends]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(names[value[order]], pa.string()))


def _ranks(names: np.ndarray) -> np.ndarray:
    return np.unique(names, return_inverse=True)[1]


def _among(numbers: np.ndarray, count: int) -> np.ndarray:
    present = np.zeros(count, bool)
    present[numbers] = True
    return present
