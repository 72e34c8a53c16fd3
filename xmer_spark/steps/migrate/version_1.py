"""Version 1, which resolved items and not yet records.

Each table that has changed is made anew by commits of its own, which nothing names yet. Then one row in
``runs``, which version 1 does not count, publishes all of them. A migration that was killed starts again from
what was published, which is still there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xmer_spark.config import document_hash
from xmer_spark.schema import TABLES
from xmer_spark.steps.migrate import places, rows
from xmer_spark.store.publication import MIGRATED, finished_runs, published_versions
from xmer_spark.store.runs import Job

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from xmer_spark.store.runs import Context

_NAME = "migrate"
#: The tables that have other columns. Embeddings, pairs and matches are empty until the next run makes them.
_CHANGED = (
    "records", "items", "rejects", "embeddings", "pairs", "matches", "members", "entities", "entity_events",
)  # fmt: skip
#: Those with the same columns whose constraints allow more.
_WIDER = ("runs", "benchmarks")
_COUNTED = ("records", "items", "features", "members", "entities", "entity_events")


def carry(context: Context) -> str:
    """Carry the tables over; returns what came with them."""
    job = _planned(context)
    _make_anew(job)
    for name in filter(context.warehouse.exists, _WIDER):
        context.warehouse.renew_checks(name)
    job.publish(MIGRATED, detail=None)
    told = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in job.counts.items())
    return (
        f"with all runs and metrics: {told or 'no rows'}. "
        "Embeddings and matches are made anew by the next `xmer run`"
    )


def _planned(context: Context) -> Job:
    """The migration as a job whose previous publication is what version 1 sees."""
    found = context.warehouse.read("runs").where(f"status <> '{MIGRATED}'").collect()
    versions = published_versions(finished_runs(found))
    fingerprint = document_hash([_NAME, versions])
    settings = document_hash([source.model_dump() for source in context.config.source])
    run_id = f"{_NAME}-{document_hash([fingerprint, settings])}"
    return Job(context, _NAME, run_id, fingerprint, settings, versions, done=False, previous=versions)


def _make_anew(job: Job) -> None:
    """Make every table that has changed anew."""
    warehouse = job.context.warehouse
    found = _carried(job)
    for name in _CHANGED:
        if name in found or warehouse.exists(name):
            empty = job.context.spark.createDataFrame([], TABLES[name].ddl)
            version = warehouse.replace(name, found.get(name, empty), job.commit)
            if name in found or name in job.previous:
                job.outputs[name] = version
    for name in _COUNTED:
        if name in job.outputs or name in job.previous:
            job.counts[name] = warehouse.read(name, job.outputs.get(name, job.previous.get(name))).count()


def _carried(job: Job) -> dict[str, DataFrame]:
    """The rows of the tables that have any in both versions; features get their items' new ids."""
    old = {name: job.read_previous(name) for name in (*_CHANGED, "features") if name in job.previous}
    chosen = places.places([old[name] for name in ("items", "members") if name in old], job.context.config)
    found: dict[str, DataFrame] = {}
    if "items" in old:
        items = places.placed(old["items"], chosen)
        places.check_single(items, "item_id", "was")
        found |= {"records": rows.records(items), "items": rows.items(items)}
        if "features" in old and places.renames(chosen):
            job.merge("features", *rows.features(old["features"], items))
    if "members" in old:
        members = places.placed(old["members"], chosen)
        places.check_single(members, "record_id", "entity_id")
        found |= {"members": rows.members(members), "entities": rows.entities(old["entities"], members)}
        found["entity_events"] = rows.events(old["entity_events"])
    if "rejects" in old:
        found["rejects"] = rows.rejects(old["rejects"])
    return found
