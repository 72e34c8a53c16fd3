"""What was found out about the fields of a batch, put together: a row per record, lists of items in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xmer_spark.config import Source
from xmer_spark.sources.columns import ROLES
from xmer_spark.sources.contents import digests

#: Spark's and Arrow's types of what a checked record holds.
_STRING, _LONG, _VECTOR = (
    ("string", pa.string()),
    ("bigint", pa.int64()),
    ("array<float>", pa.list_(pa.float32())),
)
_ITEM = {
    "field": _STRING, "modality": _STRING, "content_hash": _STRING, "text": _STRING,
    "image": ("binary", pa.binary()), "vector": _VECTOR, "uri": _STRING,
}  # fmt: skip
_REFUSAL = {"field": _STRING, "reason": _STRING, "detail": _STRING, "bytes_seen": _LONG}


def _struct(members: Mapping[str, tuple[str, pa.DataType]]) -> str:
    return f"array<struct<{', '.join(f'{name}: {type_}' for name, (type_, _) in members.items())}>>"


#: A checked record. It is ``usable`` where it is to become a row of records, whatever fields were refused.
CHECKED = {
    "part": "string",
    "row": "bigint",
    **dict.fromkeys(ROLES, "string"),
    "usable": "boolean",
    "content_hash": "string",
    "fields": "map<string,string>",
    "items": _struct(_ITEM),
    "missing": "array<string>",  # the columns where a null marker stood
    "refusals": _struct(_REFUSAL),
}
CHECKED_DDL = ", ".join(f"{name} {type_}" for name, type_ in CHECKED.items())


def assembled(head: pa.RecordBatch, found: Mapping[str, pa.RecordBatch], source: Source) -> pa.RecordBatch:
    """Checked records, columns ``CHECKED``, from a batch of ``roles.head`` and the findings by field."""
    good = ~_valid(head.column("reason"))
    fields = {name: found[name] for name in source.all_fields()}
    values = {n: pc.coalesce(f.column("content_hash"), f.column("value")) for n, f in fields.items()}
    present = {name: _valid(column) & good for name, column in values.items()}
    usable = np.logical_or.reduce(list(present.values()))
    columns = {
        "usable": pa.array(usable),
        "content_hash": _record_hashes(values, usable),
        "fields": _scalars({name: fields[name] for name in source.scalars()}, present, len(head)),
        "items": _items(fields, present, source, len(head)),
        "refusals": _refusals(head, fields, good, usable),
    }
    names = list(CHECKED)
    arrays = [columns[name] if name in columns else head.column(name) for name in names]
    return pa.RecordBatch.from_arrays(arrays, names=names)


def lists_of(columns: Sequence[pa.Array], present: Sequence[np.ndarray], type_: pa.DataType) -> pa.ListArray:
    """A list a row of the values that are present: f columns of n values, and f masks (n).

    >>> a, b = pa.array(["a1", "a2"]), pa.array(["b1", "b2"])
    >>> lists_of([a, b], [np.array([True, False]), np.array([True, True])], pa.string()).to_pylist()
    [['a1', 'b1'], ['b2']]
    """
    masks = np.stack(present, axis=1)
    row, column = np.nonzero(masks)
    together = pa.concat_arrays([values.cast(type_) for values in columns])
    offsets = np.concatenate([[0], np.cumsum(masks.sum(axis=1))])
    chosen = together.take(pa.array(column * len(masks) + row))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), chosen)


def constant(value: str, length: int) -> pa.StringArray:
    return pa.repeat(pa.scalar(value, pa.string()), length)


def _valid(values: pa.Array) -> np.ndarray:
    mask: np.ndarray = pc.is_valid(values).to_numpy(zero_copy_only=False)
    return mask


def _record_hashes(values: Mapping[str, pa.StringArray], usable: np.ndarray) -> pa.StringArray:
    """The hash of all fields that have a value, by name and in order."""
    parts = [pc.binary_join_element_wise(f"{name}=", column, "\x1f", "") for name, column in values.items()]
    joined = pc.binary_join_element_wise(*(pc.fill_null(part, "") for part in parts), "")
    return digests(pc.if_else(pa.array(usable), joined, None))


def _scalars(
    fields: Mapping[str, pa.RecordBatch], present: Mapping[str, np.ndarray], length: int
) -> pa.MapArray:
    masks = [present[name] for name in fields] or [np.zeros(length, bool)]
    names = [constant(name, length) for name in fields or [""]]
    keys = lists_of(names, masks, pa.string())
    values = [found.column("value") for found in fields.values()] or names
    return pa.MapArray.from_arrays(keys.offsets, keys.values, lists_of(values, masks, pa.string()).values)


def _items(
    fields: Mapping[str, pa.RecordBatch], present: Mapping[str, np.ndarray], source: Source, length: int
) -> pa.ListArray:
    contents = source.contents()
    if not contents:
        return lists_of([_structs({}, _ITEM, length)], [np.zeros(length, bool)], _type(_ITEM))
    structs = [
        _structs(
            {"field": constant(name, length), "modality": constant(str(field.content_modality), length)}
            | {n: fields[name].column(n) for n in _ITEM if n not in ("field", "modality")},
            _ITEM,
            length,
        )
        for name, field in contents.items()
    ]
    return lists_of(structs, [present[name] for name in contents], _type(_ITEM))


def _refusals(
    head: pa.RecordBatch, fields: Mapping[str, pa.RecordBatch], good: np.ndarray, usable: np.ndarray
) -> pa.ListArray:
    """Why the record is refused, or else its fields; a record that holds nothing has a reason, too."""
    refused = {name: _valid(found.column("reason")) & good for name, found in fields.items()}
    empty = good & ~usable & ~np.logical_or.reduce(list(refused.values()))
    nothing = {
        "reason": constant("no_value", len(head)),
        "detail": constant(f"there is no value of {', '.join(fields)}", len(head)),
    }
    structs = [_structs({n: head.column(n) for n in _REFUSAL if n != "field"}, _REFUSAL, len(head))]
    structs.append(_structs(nothing, _REFUSAL, len(head)))
    for name, found in fields.items():
        own = {"field": constant(name, len(head))}
        own |= {n: found.column(n) for n in _REFUSAL if n != "field"}
        structs.append(_structs(own, _REFUSAL, len(head)))
    return lists_of(structs, [~good, empty, *refused.values()], _type(_REFUSAL))


def _type(members: Mapping[str, tuple[str, pa.DataType]]) -> pa.DataType:
    return pa.struct([(name, type_) for name, (_, type_) in members.items()])


def _structs(
    columns: Mapping[str, pa.Array], members: Mapping[str, tuple[str, pa.DataType]], length: int
) -> pa.StructArray:
    """Structs of these columns; members that are not given are null."""
    arrays = [columns.get(n, pa.nulls(length, type_)) for n, (_, type_) in members.items()]
    return pa.StructArray.from_arrays(arrays, fields=list(_type(members)))
