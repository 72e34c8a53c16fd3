"""Sets, and references to other records, as sorted JSON arrays."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xmer_spark.sources.canonical.told import told
from xmer_spark.sources.strings import single_spaced, tidied


def members(values: pa.StringArray, separator: str | None) -> tuple[pa.StringArray, pa.StringArray]:
    """The distinct members, sorted, of lists in JSON or of strings parted by ``separator``.

    A string without a separator is one member.

    >>> members(pa.array(["b; a;b", '["c"]', None]), ";")[0].to_pylist()
    ['["a", "b"]', '["c"]', None]
    """
    listed = pc.fill_null(pc.starts_with(values, "["), False)
    lists, broken = _parsed(values.filter(listed).to_pylist())
    parted = values.filter(pc.invert(listed))
    parts = pc.split_pattern(parted, separator) if separator else _alone(parted)
    order = np.argsort(np.concatenate([np.flatnonzero(mask) for mask in _both(listed)]), kind="stable")
    found = pa.concat_arrays([lists, parts.cast(lists.type)]).take(pa.array(order))
    wrong = np.zeros(len(values), bool)
    wrong[np.flatnonzero(_both(listed)[0])] = broken
    return _sorted_json(found), told(values, pa.array(wrong), "is no list in JSON")


def _both(listed: pa.BooleanArray) -> tuple[np.ndarray, np.ndarray]:
    mask = listed.to_numpy(zero_copy_only=False)
    return mask, ~mask


def _alone(values: pa.StringArray) -> pa.ListArray:
    """Lists of one member each; null where there is none."""
    offsets = pa.array(np.append(np.arange(len(values)), len(values)), pa.int32())
    lists = pa.ListArray.from_arrays(offsets, values)
    return pc.if_else(pc.is_valid(values), lists, None)


def _parsed(documents: list[str]) -> tuple[pa.ListArray, np.ndarray]:
    """Lists of strings in JSON, null where one is broken; and which are."""
    lists = [_list(document) for document in documents]
    broken = np.array([members is None for members in lists], bool)
    return pa.array(lists, pa.list_(pa.string())), broken


def _list(document: str) -> list[str] | None:
    """The members that there are; None of what is no list, or holds what is no text."""
    try:
        found = json.loads(document)
        found = [str(member) for member in found if member is not None] if isinstance(found, list) else None
        "".join(found or ()).encode()  # halves of pairs of surrogates are no text
    except (ValueError, RecursionError):
        return None
    return found


def _sorted_json(lists: pa.ListArray) -> pa.StringArray:
    """Each list's distinct members, sorted, in JSON; null where it has none."""
    flat = single_spaced(tidied(lists.flatten()))
    row = pc.list_parent_indices(lists).to_numpy()
    kept = pc.not_equal(flat, "").to_numpy(zero_copy_only=False)
    names, number = np.unique(np.array(flat.to_pylist(), dtype=object)[kept].astype(str), return_inverse=True)
    pairs = np.unique(np.stack([row[kept], number], axis=1), axis=0) if kept.any() else np.empty((0, 2), int)
    counts = np.bincount(pairs[:, 0], minlength=len(lists))
    written = pa.array([json.dumps(name, ensure_ascii=False) for name in names.tolist()], pa.string())
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())
    joined = pc.binary_join(pa.ListArray.from_arrays(offsets, written.take(pa.array(pairs[:, 1]))), ", ")
    whole = pc.binary_join_element_wise("[", joined, "]", "")
    return pc.if_else(pa.array(counts > 0), whole, None)
