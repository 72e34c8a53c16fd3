"""The tables of a resolution: compared pairs, entities, and what people have decided."""

from __future__ import annotations

from xmer_spark.schema.table import Column, Table, one_of

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

#: What a person can say of two records.
VERDICTS = ("same", "different")
EVENT_KINDS = ("created", "grown", "shrunk", "merged", "split", "retired")

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
    checks=(("kind_known", one_of("kind", EVENT_KINDS)),),
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
    checks=(("ordered", "left_id < right_id"), ("verdict_known", one_of("verdict", VERDICTS))),
)
