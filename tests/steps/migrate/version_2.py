"""A warehouse as version 2 left it: two shops that share a lamp, and entities without values.

But for the table of entities its tables are those of today (``tests/store/test_layout_version.py``).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from tests.frames import table_of
from xmer_spark.schema import ENTITY_EVENTS, ITEMS, MATCHES, MEMBERS, RECORDS

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from xmer_spark.store.runs import Context, Job

ENTITIES = (
    "entity_id string NOT NULL, size int NOT NULL, modalities array<string> NOT NULL, "
    "sources array<string> NOT NULL, representatives map<string,string> NOT NULL, title string NOT NULL, "
    "cohesion float NOT NULL, lowest_link float NOT NULL, label string, first_run string NOT NULL, "
    "last_run string NOT NULL"
)
#: Record id, its entity, and its fields.
SAID: list[tuple[str, str, dict[str, str]]] = [
    ("erp/1", "e-lamp", {"name": "Lamp", "price": "5", "updated": "2024-01"}),
    ("shop/a", "e-lamp", {"name": "lamp", "price": "7", "updated": "2025-03-01"}),
    ("shop/b", "e-vase", {"name": "vase", "price": "3"}),
]


def write(context: Context) -> None:
    """Ingest and resolve, as if they had run, and what a killed resolution left behind."""
    spark, root = context.spark, Path(context.root)
    with context.job("ingest", [], {}) as job:
        records = [
            {"record_id": name, "source": name.split("/")[0], "fields": fields, "content_hash": "c"}
            for name, _, fields in SAID
        ]
        keyed = table_of(spark, RECORDS, records).withColumn("record_key", F.xxhash64("record_id"))
        job.sync("records", keyed)
        job.sync("items", table_of(spark, ITEMS, []))
    with context.job("resolve", [], {}) as job:
        _resolve(job, root)
    _append(spark, root, [_entity("e-stray", "stray")])
    (root / "_version.json").write_text(json.dumps({"tables": 2}))


def _resolve(job: Job, root: Path) -> None:
    from delta.tables import DeltaTable

    spark = job.context.spark
    members = [
        {"record_id": name, "entity_id": entity, "source": name.split("/")[0], "modalities": [],
         "confidence": 0.9 if entity == "e-lamp" else 1.0, "first_run": "resolve-0", "last_run": "resolve-0"}
        for name, entity, _ in SAID
    ]  # fmt: skip
    job.sync("members", table_of(spark, MEMBERS, members))
    created = {"event_id": "1", "run_id": "resolve-0", "kind": "created", "entity_id": "e-lamp", "others": [],
               "records_before": 0, "records_after": 2}  # fmt: skip
    job.append("entity_events", table_of(spark, ENTITY_EVENTS, [created]))
    job.sync("matches", table_of(spark, MATCHES, []))
    table = DeltaTable.create(spark).location(str(root / "entities"))
    table = table.addColumns(spark.createDataFrame([], ENTITIES).schema)
    table = table.property("delta.constraints.has_records", "size > 0")
    table.property("delta.enableChangeDataFeed", "true").execute()
    rows = [_entity("e-lamp", "Lamp", "erp", "shop"), _entity("e-vase", "vase", "shop")]
    _append(spark, root, rows)
    job.outputs["entities"] = 1


def _entity(entity_id: str, title: str, *sources: str) -> tuple[Any, ...]:
    size, cohesion = max(len(sources), 1), 0.9 if len(sources) > 1 else 1.0
    return (entity_id, size, [], list(sources), {}, title, cohesion, cohesion, None, "resolve-0", "resolve-0")


def _append(spark: SparkSession, root: Path, rows: list[tuple[Any, ...]]) -> None:
    frame = spark.createDataFrame(rows, ENTITIES.replace(" NOT NULL", ""))
    frame.write.format("delta").mode("append").save(str(root / "entities"))
