"""Key, class, entity and split of a batch of raw records, and what is wrong with a whole record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from xmer_spark.config import Source
from xmer_spark.schema import SPLITS
from xmer_spark.sources.columns import ROLES, roles
from xmer_spark.sources.fields import Columns
from xmer_spark.sources.records import PLACE


def head(batch: pa.RecordBatch, columns: Columns, source: Source) -> pa.RecordBatch:
    """Where each record stands, its roles, and why it is refused, if it is."""
    used = roles(source)
    values = {
        role: columns.strings(used[role]).tidy if role in used else pa.nulls(len(batch), pa.string())
        for role in ROLES
    }
    values["label"] = labels(columns, source)
    place = {name: batch.column(name) for name in PLACE}
    for wrong, reason, detail in _verdicts(columns, source, values):
        first = pc.and_(pc.is_null(place["reason"]), pc.fill_null(wrong, False))
        place["reason"] = pc.if_else(first, reason, place["reason"])
        place["detail"] = pc.if_else(first, detail, place["detail"])
    return pa.RecordBatch.from_pydict(place | values)


def labels(columns: Columns, source: Source) -> pa.StringArray:
    """The class of each record by its name; a number that stands for none stays as it is."""
    column = roles(source).get("label")
    if column is None:
        return pa.nulls(columns.length, pa.string())
    found = columns.strings(column).tidy
    if not source.label_numbers:
        return found
    numbers = pa.array([str(number) for number in range(1, len(source.labels) + 1)], pa.string())
    named = pa.array(source.labels, pa.string()).take(pc.index_in(found, value_set=numbers))
    return pc.coalesce(named, found)


def _verdicts(
    columns: Columns, source: Source, values: Mapping[str, pa.StringArray]
) -> Iterator[tuple[pa.BooleanArray, str, pa.StringArray | str]]:
    """What may be wrong with a record: where it is, the reason, and what to say of it."""
    used = roles(source)
    for column in used.values():
        damaged = pa.array(columns.strings(column).damaged)
        yield damaged, "not_utf8", f"column {column} holds bytes that are not UTF-8"
    yield pc.is_null(values["key"]), "missing_key", f"no value in the column of the key, {used['key']}"
    yield _others(values, "label", "unknown_label", source.labels)
    yield _others(values, "split", "malformed_row", SPLITS)


def _others(
    values: Mapping[str, pa.StringArray], role: str, reason: str, allowed: list[str] | tuple[str, ...]
) -> tuple[pa.BooleanArray, str, pa.StringArray]:
    """Where a role's value is none of those that are allowed; any is, where none is named."""
    found = values[role]
    known = pc.is_in(found, value_set=pa.array(allowed, pa.string())) if allowed else pc.is_valid(found)
    said = pc.binary_join_element_wise(f"the {role} is '", found, f"'; allowed: {', '.join(allowed)}", "")
    return pc.and_not(pc.is_valid(found), known), reason, said
