"""Every table of the warehouse: columns, types, comments, keys and constraints.

This module is the only thing that two rooms share. It is plain data: importing it starts
nothing and needs neither Spark nor Delta.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Modality = Literal["image", "text"]
MODALITIES: tuple[Modality, ...] = ("image", "text")
#: Types of fields whose content is encoded: each value is an item of one modality.
ContentType = Literal["image", "text", "vector"]
#: Types of fields whose value is a short string, compared as what it means.
ScalarType = Literal["name", "number", "date", "category", "identifier", "set", "place", "reference"]
CONTENT_TYPES: tuple[ContentType, ...] = ("image", "text", "vector")
SPLITS = ("train", "validation", "test")

#: Why an input was refused: the fixed vocabulary of ``rejects.reason``.
REJECT_REASONS = (
    "missing_key",
    "duplicate_key",
    "key_collision",
    "missing_file",
    "outside_root",
    "unreadable_image",
    "truncated_image",
    "image_too_large",
    "file_too_large",
    "not_utf8",
    "empty_text",
    "no_value",
    "bad_value",
    "unknown_label",
    "malformed_row",
    "bad_vector",
    "extraction_failed",
)

#: What blocking hands to scoring, in flight and never stored: a block of candidate pairs between two
#: sources. Records come once, with their payload: an Arrow stream of the columns asked for, a row for each
#: key; pairs are index pairs into them. Binary columns are little-endian arrays. ``blocker`` is the place in
#: their list of the first one that proposed the pair.
RECORD_BLOCK = (
    "left_source string, right_source string, "
    "left_keys binary, right_keys binary, "  # int64 (n)
    "left_payload binary, right_payload binary, "
    "left_index binary, right_index binary, blocker binary, "  # int32 (pairs)
    "pairs bigint"
)
#: Such blocks of what has changed since earlier records: pairs that have become candidates and, in blocks of
#: their own, unchanged records' pairs that are ``lost``: candidates no more.
CHANGED_BLOCK = RECORD_BLOCK + ", lost boolean"

#: Whether a benchmarked method sees the test items, without their labels, when it is fitted; where rows of
#: tables are matched, by which protocol.
BENCHMARK_SETTINGS = ("inductive", "transductive", "whole_tables", "splits")
#: What a benchmark may do to the training items, so as to see what a method bears.
BENCHMARK_CONDITIONS = ("none", "label_noise", "few_labels", "missing_modality")

#: What a person can say of two records.
VERDICTS = ("same", "different")
EVENT_KINDS = ("created", "grown", "shrunk", "merged", "split", "retired")


@dataclass(frozen=True)
class Column:
    """One column: its Spark SQL type, what it holds, and whether it may be absent."""

    name: str
    type: str
    comment: str
    nullable: bool = False


@dataclass(frozen=True)
class Table:
    """One Delta table: its columns, the columns that identify a row, and its CHECK constraints."""

    name: str
    comment: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    checks: tuple[tuple[str, str], ...] = ()
    partition_by: tuple[str, ...] = ()

    @property
    def column_names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def ddl(self) -> str:
        """The columns as a Spark SQL schema string.

        >>> METRICS.ddl.split(", ")[0]
        'run_id string NOT NULL'
        """
        return ", ".join(f"{c.name} {c.type}{'' if c.nullable else ' NOT NULL'}" for c in self.columns)


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


RECORDS = Table(
    "records",
    "What one source says about one thing.",
    (
        Column("record_id", "string", "<source>/<key>, for people"),
        Column("record_key", "bigint", "xxhash64 of record_id, for joins"),
        Column("source", "string", "name of the source in the configuration"),
        Column("fields", "map<string,string>", "its scalar fields, each in one canonical form"),
        Column("content_hash", "string", "SHA-256 of all its fields, hexadecimal"),
        Column("label", "string", "class, where known", nullable=True),
        Column("entity", "string", "true entity, where known", nullable=True),
        Column(
            "split",
            "string",
            "train, validation or test, by entity; NULL where the truth is unknown",
            nullable=True,
        ),
    ),
    key=("record_id",),
    checks=(("split_known", f"split IS NULL OR {_one_of('split', SPLITS)}"),),
)

ITEMS = Table(
    "items",
    "One image, text or vector of a record.",
    (
        Column(
            "item_id", "string", "<record_id>, or <record_id>#<field> where a record has several contents"
        ),
        Column("item_key", "bigint", "xxhash64 of item_id, for joins"),
        Column("record_key", "bigint", "the record that it belongs to"),
        Column("field", "string", "name of the record's field"),
        Column("modality", "string", "image or text"),
        Column("content_hash", "string", "SHA-256 of the content, hexadecimal"),
        Column("text", "string", "the text, for text items", nullable=True),
        Column("image", "binary", "the encoded image file, for image items", nullable=True),
        Column("vector", "array<float>", "features computed elsewhere", nullable=True),
        Column("uri", "string", "where the content came from, relative to the source's root", nullable=True),
    ),
    key=("item_id",),
    checks=(
        ("modality_known", _one_of("modality", MODALITIES)),
        ("has_content", "text IS NOT NULL OR image IS NOT NULL OR vector IS NOT NULL"),
    ),
)

REJECTS = Table(
    "rejects",
    "One input that was refused, and why.",
    (
        Column("source", "string", "name of the source in the configuration"),
        Column("key", "string", "the record's key, or the path or row number where it has none"),
        Column("field", "string", "the field that was refused; NULL where it is the record", nullable=True),
        Column("reason", "string", "one of the fixed vocabulary"),
        Column("detail", "string", "what exactly is wrong, for a person"),
        Column(
            "bytes_seen", "bigint", "size of the refused content in bytes, where any was seen", nullable=True
        ),
    ),
    key=("source", "key", "field", "reason", "detail"),
    checks=(("reason_known", _one_of("reason", REJECT_REASONS)),),
)

FEATURES = Table(
    "features",
    "One item under one extractor.",
    (
        Column("item_id", "string", "the item"),
        Column("item_key", "bigint", "the item, for joins"),
        Column("extractor", "string", "name, version and a hash of the parameters and the fitted state"),
        Column("content_hash", "string", "the content that was extracted"),
        Column("modality", "string", "the item's modality"),
        Column("vector", "array<float>", "the features"),
    ),
    key=("item_key", "extractor"),
    checks=(("vector_not_empty", "size(vector) > 0"),),
    partition_by=("extractor",),
)

EMBEDDINGS = Table(
    "embeddings",
    "One item in the common space of one model, and its binary code.",
    (
        Column("item_key", "bigint", "the item, for joins"),
        Column("item_id", "string", "the item"),
        Column("record_key", "bigint", "the record that it belongs to"),
        Column("source", "string", "the record's source"),
        Column("field", "string", "name of the record's field"),
        Column("modality", "string", "the item's modality"),
        Column("embedding", "array<float>", "coordinates in the common space"),
        Column(
            "surroundings",
            "array<float>",
            "nearness to just anything of each modality, then the probability of each class",
        ),
        Column("code", "array<bigint>", "binary code in 64-bit words: word 0 first, bit 0 lowest"),
        Column("model_version", "string", "version of the registered resolver"),
    ),
    key=("item_key",),
    checks=(("has_code", "size(code) > 0"),),
)

PAIRS = Table(
    "pairs",
    "One candidate pair of records; kept only when blocking.keep_pairs asks for it.",
    (
        Column("left_key", "bigint", "the lesser record key"),
        Column("right_key", "bigint", "the greater record key"),
        Column("blocker", "string", "the first blocker that proposed the pair"),
    ),
    key=("left_key", "right_key"),
    checks=(("ordered", "left_key < right_key"),),
)

MARKS = Table(
    "marks",
    "What a blocker that ranks pairs keeps of one record, by which the next resolution finds what changed.",
    (
        Column("record_key", "bigint", "the record"),
        Column("pair", "string", "the two sources that the blocker compares, such as shop/web"),
        Column("place", "int", "the blocker's place among those of the two sources"),
        Column("mark", "bigint", "the score from which on a pair is among the record's best"),
    ),
    key=("record_key", "pair", "place"),
)

SCORES = Table(
    "scores",
    "One compared pair of records by itself, however improbable if it can count as a rival.",
    (
        Column("left_key", "bigint", "the lesser record key"),
        Column("right_key", "bigint", "the greater record key"),
        Column("left_source", "string", "source of left_key's record"),
        Column("right_source", "string", "source of right_key's record"),
        Column("probability", "float", "calibrated probability of the pair by itself"),
        Column("kind", "smallint", "number of the kinds of the two records, for calibrating"),
        Column("evidence", "map<string,float>", "what the two have in common, such as title~title/token_set"),
    ),
    key=("left_key", "right_key"),
    checks=(("ordered", "left_key < right_key"), ("probability_in_range", "probability BETWEEN 0 AND 1")),
)

MATCHES = Table(
    "matches",
    "One compared pair of records above the review threshold, by itself or beside its rivals.",
    (
        Column("left_key", "bigint", "the lesser record key"),
        Column("right_key", "bigint", "the greater record key"),
        Column("left_id", "string", "record of left_key"),
        Column("right_id", "string", "record of right_key"),
        Column("probability", "float", "calibrated probability of the pair by itself"),
        Column("decided", "float", "probability beside the pair's rivals; a match from the threshold on"),
        Column("evidence", "map<string,float>", "what the two have in common, such as title~title/token_set"),
        Column("model_version", "string", "version of the registered resolver"),
    ),
    key=("left_key", "right_key"),
    checks=(
        ("ordered", "left_key < right_key"),
        ("probability_in_range", "probability BETWEEN 0 AND 1"),
        ("decided_in_range", "decided BETWEEN 0 AND 1"),
    ),
)

MEMBERS = Table(
    "members",
    "One record in its entity.",
    (
        Column("record_id", "string", "the record"),
        Column("entity_id", "string", "the entity it belongs to"),
        Column("source", "string", "the record's source"),
        Column("modalities", "array<string>", "modalities of its items, sorted; empty where it has none"),
        Column(
            "confidence", "float", "strongest match probability inside the entity; 1 where it stands alone"
        ),
        Column("first_run", "string", "run that first published the record"),
        Column("last_run", "string", "run that last changed this row"),
    ),
    key=("record_id",),
    checks=(("confidence_in_range", "confidence BETWEEN 0 AND 1"),),
)

ENTITIES = Table(
    "entities",
    "One resolved entity.",
    (
        Column("entity_id", "string", "stable id"),
        Column("size", "int", "number of records"),
        Column("modalities", "array<string>", "modalities of its records, sorted"),
        Column("sources", "array<string>", "sources of its records, sorted"),
        Column("representatives", "map<string,string>", "modality -> item id of its best connected record"),
        Column(
            "title", "string", "a short name: text or name of its best connected record, or that one's id"
        ),
        Column(
            "cohesion", "float", "mean match probability over the pairs that were scored; 1 for one record"
        ),
        Column("lowest_link", "float", "weakest match probability that holds it together; 1 for one record"),
        Column("label", "string", "most frequent class of its records, where known", nullable=True),
        Column("first_run", "string", "run that created it"),
        Column("last_run", "string", "run that last changed this row"),
        Column("values", "map<string,string>", "field -> its value; of a picture the item", nullable=True),
        Column("value_records", "map<string,string>", "field -> the record it is from", nullable=True),
    ),
    key=("entity_id",),
    checks=(("has_records", "size > 0"),),
)

ENTITY_EVENTS = Table(
    "entity_events",
    "One change of an entity.",
    (
        Column("event_id", "string", "hash of run, kind and entity"),
        Column("run_id", "string", "the run that made the change"),
        Column("kind", "string", "created, grown, shrunk, merged, split or retired"),
        Column("entity_id", "string", "the entity"),
        Column("others", "array<string>", "entities it merged with or was split from"),
        Column("records_before", "int", "number of records before"),
        Column("records_after", "int", "number of records after"),
    ),
    key=("event_id",),
    checks=(("kind_known", _one_of("kind", EVENT_KINDS)),),
)

DECISIONS = Table(
    "decisions",
    "What a person has said of two records; it counts more than any match.",
    (
        Column("left_id", "string", "the first of the two records, by the alphabet"),
        Column("right_id", "string", "the second"),
        Column("verdict", "string", "same: they describe one thing; different: they do not"),
        Column("decided", "timestamp", "when that was said"),
    ),
    key=("left_id", "right_id"),
    checks=(("ordered", "left_id < right_id"), ("verdict_known", _one_of("verdict", VERDICTS))),
)

RUNS = Table(
    "runs",
    "One job run; its row is the point of publication.",
    (
        Column("run_id", "string", "hash of the fingerprint and of the run before it"),
        Column("job", "string", "name of the job"),
        Column("status", "string", "finished, failed, or migrated: published, but not to the version before"),
        Column("fingerprint", "string", "hash of job, input versions, configuration and model version"),
        Column("config_hash", "string", "hash of the part of the configuration that the job reads"),
        Column("model_version", "string", "version of the registered resolver", nullable=True),
        Column("inputs", "map<string,bigint>", "versions of the tables read"),
        Column("outputs", "map<string,bigint>", "versions of the tables written: the published ones"),
        Column("counts", "map<string,bigint>", "rows in and out, by name"),
        Column("detail", "string", "further facts as JSON; what went wrong, for a failed run", nullable=True),
        Column("started", "timestamp", "when it started"),
        Column("finished", "timestamp", "when it was published"),
    ),
    key=("run_id", "started"),
    checks=(("status_known", "status IN ('finished', 'failed', 'migrated')"),),
)

METRICS = Table(
    "metrics",
    "One measured value of one run.",
    (
        Column("run_id", "string", "the run that measured it"),
        Column("job", "string", "the job that measured it"),
        Column("name", "string", "what was measured, such as recall_at_10/google/twitter; see names.py"),
        Column("value", "double", "the value"),
        Column("low", "double", "lower end of the interval, where the value is an estimate", nullable=True),
        Column("high", "double", "upper end of the interval, where the value is an estimate", nullable=True),
        Column("detail", "string", "further facts as JSON", nullable=True),
    ),
    key=("run_id", "name"),
)

BENCHMARKS = Table(
    "benchmarks",
    "One measured value of one method on one data set.",
    (
        Column("data", "string", "name of the data set in the benchmark's configuration"),
        Column("features", "string", "name of the feature setting: which extractors"),
        Column("method", "string", "name of the method in the benchmark's configuration"),
        Column(
            "setting",
            "string",
            "inductive: test items unseen; transductive: seen without their labels; whole_tables or splits: "
            "the protocol by which rows of tables are matched",
        ),
        Column("condition", "string", "what was done to the training items: none, or what a curve varies"),
        Column("amount", "double", "how much of it was done, as a share"),
        Column("seed", "int", "seed of the method and of the condition"),
        Column("direction", "string", "two content fields, such as image/text; mean, over all directions"),
        Column("measure", "string", "map, over the full ranking, recall_at_<k>, or pair_f1 of tables"),
        Column("value", "double", "the value on the test items"),
        Column("seconds", "double", "wall clock of fitting the space"),
        Column("peak_memory", "bigint", "bytes that fitting needed above what the process held before it"),
        Column("parameters", "string", "the method's parameters as JSON, those that were chosen included"),
        Column("validation", "double", "mean MAP that chose them; NULL without a choice", nullable=True),
        Column("fingerprint", "string", "hash of data, features, method and parameters to choose from"),
    ),
    key=(
        "data", "features", "method", "setting", "condition", "amount", "seed", "direction", "measure",
    ),
    checks=(
        ("setting_known", _one_of("setting", BENCHMARK_SETTINGS)),
        ("condition_known", _one_of("condition", BENCHMARK_CONDITIONS)),
        ("amount_is_a_share", "amount BETWEEN 0 AND 1"),
        ("value_in_range", "value BETWEEN 0 AND 1"),
    ),
)  # fmt: skip

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
