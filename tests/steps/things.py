"""A warehouse as resolve leaves it, by hand: photographs, names, table rows and a shop of the same things.

The first four things were trained on, the others are held out. The photograph of thing 5 went to thing 4, and
the name of thing 6 stands alone.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.frames import table_of
from tests.pictures import png
from xmer_spark.config import load_config
from xmer_spark.names import kind_name
from xmer_spark.schema import TABLES
from xmer_spark.store.runs import Context

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

TRAINED, THINGS = 4, 12
NAMES = [
    "red kettle", "blue lantern", "green basket", "tall mirror", "brass candle", "oak table", "tin whistle",
    "wool quilt", "clay urn", "glass vase", "iron pan", "silk scarf",
]  # fmt: skip
SOURCES = {"photos": "image", "names": "text", "rows": "row", "shop": "image+text"}
CONFIG = """
name = "things"
description = "Photographs, names, table rows and a shop of the same things."
[warehouse]
path = "{folder}/warehouse"
[report]
path = "{folder}/report.html"
[evaluation]
bootstrap = 50
[[source]]
name = "photos"
kind = "images"
path = "photos"
one_per_entity = true
[[source]]
name = "names"
kind = "texts"
path = "names"
one_per_entity = true
[[source]]
name = "rows"
kind = "csv"
path = "rows.csv"
key = "id"
one_per_entity = true
[source.fields]
brand = {{type = "category"}}
price = {{type = "number"}}
made = {{type = "date"}}
[[source]]
name = "shop"
kind = "csv"
path = "shop.csv"
key = "sku"
one_per_entity = true
[source.fields]
photo = {{type = "image", file = "{{sku}}.png"}}
title = {{type = "text"}}
price = {{type = "number"}}
"""


def key_of(source: str, thing: int) -> int:
    """Keys are hashes: they follow neither sources nor things."""
    digest = hashlib.sha256(f"{source}/{thing}".encode()).digest()
    return int.from_bytes(digest[:8], "little", signed=True)


def entity_of(source: str, thing: int) -> str:
    """The entity that a record was put into."""
    strayed = {("photos", 5): "e-4", ("names", 6): "e-6-name"}
    return strayed.get((source, thing), f"e-{thing}")


ALL = [(source, thing) for source in SOURCES for thing in range(THINGS) if source != "shop" or thing % 2]


def records() -> list[dict[str, Any]]:
    return [
        {
            "record_id": f"{source}/{thing}", "record_key": key_of(source, thing), "source": source,
            "fields": fields(source, thing), "content_hash": "c", "label": None, "entity": f"thing {thing}",
            "split": "train" if thing < TRAINED else "test",
        }
        for source, thing in ALL
    ]  # fmt: skip


def fields(source: str, thing: int) -> dict[str, str]:
    every = {"brand": NAMES[thing].split()[0].title(), "price": f"{thing}.50", "made": f"19{60 + thing}"}
    return {"rows": every, "shop": {"price": every["price"]}}.get(source, {})


def items() -> list[dict[str, Any]]:
    image = {"photos": "image", "shop": "photo"}
    text = {"names": "text", "shop": "title"}
    found = []
    for source, thing in ALL:
        about = {"record_key": key_of(source, thing), "content_hash": "c"}
        if source in image:
            colour = np.random.default_rng(thing).integers(0, 255, 3)
            picture = png(np.full((64, 96, 3), colour))
            found.append({**about, "field": image[source], "modality": "image", "image": picture})
        if source in text:
            found.append({**about, "field": text[source], "modality": "text", "text": NAMES[thing]})
    for number, item in enumerate(found):
        item |= {"item_id": f"item {number}", "item_key": number}
    return found


def embeddings() -> list[dict[str, Any]]:
    """Everything of a thing lies at one place of the common space, a direction of its own."""
    about = {key_of(*each): each for each in ALL}
    return [
        {
            "item_key": item["item_key"], "item_id": item["item_id"], "record_key": item["record_key"],
            "source": about[item["record_key"]][0], "field": item["field"], "modality": item["modality"],
            "embedding": np.eye(THINGS)[about[item["record_key"]][1]].tolist(), "surroundings": [0.5, 0.5],
            "code": [item["item_key"]], "model_version": "1",
        }
        for item in items()
    ]  # fmt: skip


def matches() -> list[dict[str, Any]]:
    """Every pair within an entity, and the name of thing 6 with its row, held to be improbable."""
    pairs = [
        (a, b, 0.9)
        for n, a in enumerate(ALL)
        for b in ALL[n + 1 :]
        if entity_of(*a) == entity_of(*b)
    ]  # fmt: skip
    found = []
    for a, b, decided in [*pairs, (("names", 6), ("rows", 6), 0.25)]:
        decided += 0.05 * (a[1] != b[1])
        (left, one), (right, other) = sorted(((key_of(*a), a), (key_of(*b), b)))
        found.append(
            {
                "left_key": left, "right_key": right, "probability": decided - 0.2, "decided": decided,
                "left_id": f"{one[0]}/{one[1]}", "right_id": f"{other[0]}/{other[1]}",
                "evidence": {"photo~title/cosine": 0.5, "title~title/token_set": 1.0}, "model_version": "1",
            }
        )  # fmt: skip
    return found


def members() -> list[dict[str, Any]]:
    return [
        {
            "record_id": f"{source}/{thing}", "entity_id": entity_of(source, thing), "source": source,
            "modalities": [] if SOURCES[source] == "row" else SOURCES[source].split("+"),
            "confidence": 0.9, "first_run": "r", "last_run": "r",
        }
        for source, thing in ALL
    ]  # fmt: skip


def entities() -> list[dict[str, Any]]:
    found = []
    for entity in sorted({entity_of(*each) for each in ALL}):
        mine = [each for each in ALL if entity_of(*each) == entity]
        modalities = {m for source, _ in mine for m in SOURCES[source].split("+")} - {kind_name([])}
        found.append(
            {
                "entity_id": entity, "size": len(mine), "modalities": sorted(modalities),
                "sources": sorted(source for source, _ in mine), "representatives": {},
                "title": NAMES[mine[0][1]], "cohesion": 0.9, "lowest_link": 0.9, "label": None,
                "first_run": "r", "last_run": "r",
            }
        )  # fmt: skip
    return found


def events() -> list[dict[str, Any]]:
    return [
        {
            "event_id": each["entity_id"], "run_id": "r", "kind": "created", "entity_id": each["entity_id"],
            "others": [], "records_before": 0, "records_after": each["size"],
        }
        for each in entities()
    ]  # fmt: skip


REFUSED = [
    {"source": "rows", "key": "77", "field": "price", "reason": "malformed_row", "detail": "no number"}
]


def publish(spark: SparkSession, folder: Path) -> Context:
    """Ingest to resolve, as if they had run; the configuration is ``things.toml`` in the folder."""
    config = folder / "things.toml"
    config.write_text(CONFIG.format(folder=folder))
    context = Context(load_config(config))
    context.spark = spark

    def run(job_name: str, tables: dict[str, list[dict[str, Any]]], **counts: int) -> None:
        with context.job(job_name, [], {}, model="1") as job:
            for name, rows in tables.items():
                job.sync(name, table_of(spark, TABLES[name], rows))
            job.counts |= counts

    run(
        "ingest",
        {"records": records(), "items": items(), "rejects": REFUSED},
        records=42,
        items=36,
        rejects=1,
    )
    run("extract", {}, features=36)
    run("train", {})
    run(
        "resolve",
        {
            "embeddings": embeddings(),
            "members": members(),
            "entities": entities(),
            "matches": matches(),
            "entity_events": events(),
        },
        embedded=36, candidates=200, scored_matches=len(matches()), entities=len(entities()),
    )  # fmt: skip
    return context
