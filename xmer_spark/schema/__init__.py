"""Every table of the warehouse: columns, types, comments, keys and constraints.

This is the only thing that two rooms share. It is plain data: importing it starts nothing and needs neither
Spark nor Delta.
"""

from __future__ import annotations

from xmer_spark.schema.entities import (
    CHANGED_BLOCK,
    DECISIONS,
    ENTITIES,
    ENTITY_EVENTS,
    EVENT_KINDS,
    MARKS,
    MATCHES,
    MEMBERS,
    PAIRS,
    RECORD_BLOCK,
    SCORES,
    VERDICTS,
)
from xmer_spark.schema.records import (
    CONTENT_TYPES,
    EMBEDDINGS,
    FEATURES,
    ITEMS,
    MODALITIES,
    RECORDS,
    REJECT_REASONS,
    REJECTS,
    SPLITS,
    ContentType,
    Modality,
    ScalarType,
)
from xmer_spark.schema.runs import BENCHMARK_CONDITIONS, BENCHMARK_SETTINGS, BENCHMARKS, METRICS, RUNS
from xmer_spark.schema.table import Column, Table

__all__ = [
    "BENCHMARKS",
    "BENCHMARK_CONDITIONS",
    "BENCHMARK_SETTINGS",
    "CHANGED_BLOCK",
    "CONTENT_TYPES",
    "DECISIONS",
    "EMBEDDINGS",
    "ENTITIES",
    "ENTITY_EVENTS",
    "EVENT_KINDS",
    "FEATURES",
    "ITEMS",
    "MARKS",
    "MATCHES",
    "MEMBERS",
    "METRICS",
    "MODALITIES",
    "PAIRS",
    "RECORDS",
    "RECORD_BLOCK",
    "REJECTS",
    "REJECT_REASONS",
    "RUNS",
    "SCORES",
    "SPLITS",
    "TABLES",
    "VERDICTS",
    "VERSION",
    "Column",
    "ContentType",
    "Modality",
    "ScalarType",
    "Table",
]

#: Raised whenever a table changes; ``store.layout`` refuses a warehouse of another version. A table that is
#: added changes none: it is made when it is first written. A column that is added comes last and may be NULL.
VERSION = 3

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        RECORDS, ITEMS, REJECTS, FEATURES, EMBEDDINGS, MARKS, PAIRS, SCORES, MATCHES,
        MEMBERS, ENTITIES, ENTITY_EVENTS, DECISIONS, RUNS, METRICS, BENCHMARKS,
    )
}  # fmt: skip
