"""Which entity a cluster is: ids that stay stable as data arrives, and every change as an event.

An entity goes where most of the members it still has are; if that is no one place, where the largest part
is. Of the entities that come to one cluster, the oldest among those that bring most of their members gives
it its id; if none brings most, the one that brings the largest number. A cluster to which none comes is new.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
import pandas as pd

from xmer_spark.schema import ENTITY_EVENTS


class Decision(NamedTuple):
    """``ids``: cluster, entity_id. ``events``: the columns of the table entity_events."""

    ids: pd.DataFrame
    events: pd.DataFrame


def short_hash(*parts: object) -> str:
    """16 hexadecimal digits: the start of the SHA-256 of the parts, one a line."""
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:16]


def mint(run_id: str, cluster: int) -> str:
    """The id of an entity that is new: it hangs on the run and the cluster's least item key.

    >>> mint("r1", -5)
    'e-0f52b73ef6dba9ab'
    """
    return f"e-{short_hash(run_id, cluster)}"


def overlaps(
    previous: pd.DataFrame, clusters: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """What ``decide`` needs, from memberships item by item.

    ``previous`` has item, entity_id and age (of the entity); ``clusters`` has item and cluster.
    """
    entities = previous.groupby("entity_id", as_index=False).agg(size=("item", "size"), age=("age", "first"))
    sizes = clusters.groupby("cluster", as_index=False).agg(size=("item", "size"))
    shared = previous.merge(clusters, on="item").groupby(["entity_id", "cluster"], as_index=False)
    return entities, sizes, shared.agg(items=("item", "size"))


def decide(entities: pd.DataFrame, clusters: pd.DataFrame, shared: pd.DataFrame, run_id: str) -> Decision:
    """The entity id of every cluster, and what happened to every entity.

    ``entities`` are those of before: entity_id, size, age (less is older). ``clusters`` are those of now:
    cluster (its least item key), size. ``shared`` has a row where the two have items in common: entity_id,
    cluster, items. Any part of the whole may be decided on its own, as long as what is shared stays together.
    """
    shared = shared.merge(entities[["entity_id", "age"]], on="entity_id")
    heirs = _heirs(shared)
    winners = heirs.drop_duplicates("cluster")[["cluster", "entity_id"]]
    ids = (
        clusters[["cluster"]]
        .merge(winners, on="cluster", how="left")
        .sort_values("cluster", ignore_index=True)
    )
    new = ids.entity_id.isna()
    ids.loc[new, "entity_id"] = [mint(run_id, cluster) for cluster in ids.cluster[new]]
    return Decision(ids, _events(entities, clusters, shared, heirs, ids, run_id))


def _heirs(shared: pd.DataFrame) -> pd.DataFrame:
    """The cluster that each entity goes to, the first row of a cluster being the entity whose id it keeps."""
    remaining = shared.groupby("entity_id")["items"].transform("sum")
    most = 2 * shared["items"] > remaining
    parts = shared.assign(scattered=~most, fewer=np.where(most, 0, -shared["items"]))
    largest = parts.sort_values(["entity_id", "items", "cluster"], ascending=[True, False, True])
    heirs = largest.drop_duplicates("entity_id")
    return heirs.sort_values(["cluster", "scattered", "fewer", "age", "entity_id"], ignore_index=True)


def _events(
    entities: pd.DataFrame,
    clusters: pd.DataFrame,
    shared: pd.DataFrame,
    heirs: pd.DataFrame,
    ids: pd.DataFrame,
    run_id: str,
) -> pd.DataFrame:
    """At most one event of gain (merged, grown) and one of loss (split, shrunk) an entity, or created or retired."""
    before = entities.set_index("entity_id")["size"]
    cluster_id = ids.set_index("cluster")["entity_id"]
    after = clusters.set_index(clusters.cluster.map(cluster_id))["size"]
    flows = shared.assign(to=shared.cluster.map(cluster_id)).rename(columns={"entity_id": "origin"})
    moved = flows[flows.origin != flows.to]
    absorbed = heirs.assign(to=heirs.cluster.map(cluster_id))
    absorbed = absorbed[~absorbed.entity_id.isin(after.index)]

    table = pd.DataFrame(index=before.index.union(after.index).sort_values())
    table["items_before"] = before.reindex(table.index, fill_value=0)
    table["items_after"] = after.reindex(table.index, fill_value=0)
    table["origins"] = _listed(moved, "to", "origin", table.index)
    table["targets"] = _listed(moved, "origin", "to", table.index)
    table["found"] = table.items_after - flows.groupby("to")["items"].sum().reindex(table.index, fill_value=0)
    table["lost"] = table.items_before - flows.groupby("origin")["items"].sum().reindex(
        table.index, fill_value=0
    )

    existed, exists = table.items_before > 0, table.items_after > 0
    stayed = existed & exists
    received, gave = table.origins.str.len() > 0, table.targets.str.len() > 0
    merged = stayed & table.index.isin(absorbed.to)
    kinds = [
        ("created", ~existed, "origins"),
        ("retired", ~exists, "targets"),
        ("merged", merged, "origins"),
        ("grown", stayed & ~merged & (received | (table.found > 0)), "origins"),
        ("split", stayed & gave, "targets"),
        ("shrunk", stayed & ~gave & (table.lost > 0), "targets"),
    ]
    events = pd.concat([_event_rows(table[which], kind, others, run_id) for kind, which, others in kinds])
    return events.sort_values(["entity_id", "kind"], ignore_index=True)


def _event_rows(table: pd.DataFrame, kind: str, others: str, run_id: str) -> pd.DataFrame:
    rows = pd.DataFrame(
        {
            "event_id": [short_hash(run_id, kind, entity_id) for entity_id in table.index],
            "run_id": run_id,
            "kind": kind,
            "entity_id": table.index,
            "others": table[others].to_numpy(),
            "items_before": table.items_before.to_numpy(np.int32),
            "items_after": table.items_after.to_numpy(np.int32),
        }
    )
    return rows[ENTITY_EVENTS.column_names]


def _listed(pairs: pd.DataFrame, by: str, value: str, index: pd.Index) -> pd.Series:
    """The sorted distinct values of each of ``index``; an empty list where there are none."""
    distinct = pairs[[by, value]].drop_duplicates().sort_values([by, value])
    lists = distinct.groupby(by)[value].agg(list).reindex(index)
    return lists.where(lists.notna(), pd.Series([[] for _ in index], index=index, dtype=object))
