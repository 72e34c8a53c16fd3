"""A warehouse as version 1 left it: photographs, names, rows of a table, and a shop with pictures and titles.

What the shop has was told by two sources, whose items shared their records.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from tests.pictures import noise

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

#: The tables of version 1.
COLUMNS = {
    "items": "item_id string NOT NULL, item_key bigint NOT NULL, source string NOT NULL, "
    "record_id string NOT NULL, modality string NOT NULL, content_hash string NOT NULL, text string, "
    "image binary, vector array<float>, uri string, attributes map<string,string>, label string, "
    "entity string, split string",
    "rejects": "source string NOT NULL, key string NOT NULL, modality string, reason string NOT NULL, "
    "detail string NOT NULL, bytes_seen bigint",
    "features": "item_id string NOT NULL, item_key bigint NOT NULL, extractor string NOT NULL, "
    "content_hash string NOT NULL, modality string NOT NULL, vector array<float> NOT NULL",
    "embeddings": "item_key bigint NOT NULL, item_id string NOT NULL, source string NOT NULL, "
    "modality string NOT NULL, embedding array<float> NOT NULL, code array<bigint> NOT NULL, "
    "model_version string NOT NULL",
    "matches": "left_key bigint NOT NULL, right_key bigint NOT NULL, left_id string NOT NULL, "
    "right_id string NOT NULL, probability float NOT NULL, "
    "evidence struct<cosine: float, csls: float, hamming: int, posterior_agreement: float, "
    "attributes: map<string,float>> NOT NULL, model_version string NOT NULL",
    "members": "item_id string NOT NULL, entity_id string NOT NULL, record_id string NOT NULL, "
    "source string NOT NULL, modality string NOT NULL, confidence float NOT NULL, "
    "first_run string NOT NULL, last_run string NOT NULL",
    "entities": "entity_id string NOT NULL, size int NOT NULL, modalities array<string> NOT NULL, "
    "sources array<string> NOT NULL, representatives map<string,string> NOT NULL, title string NOT NULL, "
    "cohesion float NOT NULL, lowest_link float NOT NULL, label string, first_run string NOT NULL, "
    "last_run string NOT NULL",
    "entity_events": "event_id string NOT NULL, run_id string NOT NULL, kind string NOT NULL, "
    "entity_id string NOT NULL, others array<string> NOT NULL, items_before int NOT NULL, "
    "items_after int NOT NULL",
    "metrics": "run_id string NOT NULL, job string NOT NULL, name string NOT NULL, value double NOT NULL, "
    "low double, high double, detail string",
    "runs": "run_id string NOT NULL, job string NOT NULL, status string NOT NULL, "
    "fingerprint string NOT NULL, config_hash string NOT NULL, model_version string, "
    "inputs map<string,bigint> NOT NULL, outputs map<string,bigint> NOT NULL, "
    "counts map<string,bigint> NOT NULL, detail string, started timestamp NOT NULL, "
    "finished timestamp NOT NULL",
}
#: Constraints that later versions have not.
CHECKS = {
    "items": {
        "has_content": "text IS NOT NULL OR image IS NOT NULL OR vector IS NOT NULL OR attributes IS NOT NULL"
    },
    "entities": {"has_items": "size > 0"},
    "runs": {"status_known": "status IN ('finished', 'failed')"},
}
#: item_id, record_id, modality, entity.
ITEMS = [
    ("photos/a", "photos/a", "image", "e-a"),
    ("names/1", "names/1", "text", "e-a"),
    ("shop_photos/x", "shop/x", "image", "e-a"),
    ("shop_titles/x", "shop/x", "text", "e-a"),
    ("photos/b", "photos/b", "image", "e-b"),
    ("rows/7", "rows/7", "relational", "e-b"),
    ("names/2", "names/2", "text", "e-2"),
    ("shop_titles/y", "shop/y", "text", "e-y"),
]


def text_of(item_id: str) -> str:
    return f"the text of {item_id}"


def image_of(item_id: str) -> bytes:
    return noise(ord(item_id[-1]))


def write(spark: SparkSession, root: Path, extractor: str) -> None:
    """The warehouse; ``extractor`` is the identity of what made the features of its pictures."""
    tables = {
        "items": [_item(*each[:3]) for each in ITEMS],
        "rejects": [("names", "9", "text", "empty_text", "names.csv:3: nothing", 0)],
        "features": [
            (item, 0, extractor, _hash(item, modality), modality, [float(ord(item[-1]))])
            for item, _, modality, _ in ITEMS
            if modality == "image"
        ],
        "embeddings": [(0, "names/1", "names", "text", [1.0], [1], "1")],
        "matches": [(1, 2, "photos/a", "names/1", 0.9, (0.5, 0.5, 3, 0.5, {}), "1")],
        "members": [
            (item, entity, record, item.split("/")[0], modality, 0.9, "resolve-0", "resolve-1")
            for item, record, modality, entity in ITEMS
        ],
        "entities": [_entity(entity) for entity in ("e-a", "e-b", "e-2", "e-y")],
        "entity_events": [
            ("1", "resolve-0", "created", "e-a", [], 0, 2), ("2", "resolve-1", "grown", "e-a", [], 2, 4),
        ],
        "metrics": [("resolve-1", "resolve", "certified_recall/all", 0.9, 0.8, 1.0, None)],
    }  # fmt: skip
    for name, rows in tables.items():
        _table(spark, root, name, rows)
    finished = [
        _run("ingest", 1, ["items", "rejects"]),
        _run("extract", 2, ["features"]),
        _run("resolve", 3, ["embeddings", "matches", "members", "entities", "entity_events", "metrics"]),
    ]
    _table(spark, root, "runs", finished)
    # What a killed run has left counts for nothing.
    stray = [("photos/a", "e-stray", "photos/a", "photos", "image", 0.9, "resolve-2", "resolve-2")]
    _append(spark, root, "members", stray)
    (root / "_version.json").write_text(json.dumps({"tables": 1}))


def _hash(item_id: str, modality: str) -> str:
    content = image_of(item_id) if modality == "image" else text_of(item_id).encode()
    return hashlib.sha256(content).hexdigest()


def _item(item_id: str, record_id: str, modality: str) -> tuple[Any, ...]:
    text = text_of(item_id) if modality == "text" else None
    image = image_of(item_id) if modality == "image" else None
    attributes = {"price": "7"} if modality == "relational" else None
    about = item_id, 0, item_id.split("/")[0], record_id, modality, _hash(item_id, modality)
    return (*about, text, image, None, None, attributes, "label", "thing", "train")


def _entity(entity_id: str) -> tuple[Any, ...]:
    mine = [each for each in ITEMS if each[3] == entity_id]
    modalities = sorted({modality for *_, modality, _ in mine})
    best = {modality: max(item for item, _, m, _ in mine if m == modality) for modality in modalities}
    sources = sorted({item.split("/")[0] for item, *_ in mine})
    return (
        entity_id, len(mine), modalities, sources, best, f"title of {entity_id}", 0.8, 0.7, None,
        "resolve-0", "resolve-1",
    )  # fmt: skip


def _run(job: str, hour: int, outputs: list[str]) -> tuple[Any, ...]:
    when = datetime(2026, 1, 1, hour)
    written = dict.fromkeys(outputs, 1)
    return (f"{job}-1", job, "finished", job, "c", None, {}, written, {}, None, when, when)


def _table(spark: SparkSession, root: Path, name: str, rows: list[tuple[Any, ...]]) -> None:
    from delta.tables import DeltaTable

    schema = spark.createDataFrame([], COLUMNS[name]).schema
    builder = DeltaTable.create(spark).location(str(root / name)).addColumns(schema)
    for constraint, expression in CHECKS.get(name, {}).items():
        builder = builder.property(f"delta.constraints.{constraint}", expression)
    if name == "features":
        builder = builder.partitionedBy("extractor")
    builder.property("delta.enableChangeDataFeed", "true").execute()
    _append(spark, root, name, rows)


def _append(spark: SparkSession, root: Path, name: str, rows: list[tuple[Any, ...]]) -> None:
    frame = spark.createDataFrame(rows, COLUMNS[name].replace(" NOT NULL", ""))
    if "item_key" in frame.columns:
        frame = frame.withColumn("item_key", F.xxhash64("item_id"))
    frame.write.format("delta").mode("append").save(str(root / name))
