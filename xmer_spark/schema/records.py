"""The tables of what sources say: records, their items, and what is made of these."""

from __future__ import annotations

from typing import Literal

from xmer_spark.schema.table import Column, Table, one_of

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
    checks=(("split_known", f"split IS NULL OR {one_of('split', SPLITS)}"),),
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
        ("modality_known", one_of("modality", MODALITIES)),
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
    checks=(("reason_known", one_of("reason", REJECT_REASONS)),),
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
