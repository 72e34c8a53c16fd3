"""Between Arrow columns of lists and numpy matrices, without a loop over rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xmer_spark.errors import XmerError

if TYPE_CHECKING:
    import pyarrow as pa


def matrix(lists: pa.ListArray | pa.ChunkedArray, kind: type, what: str = "lists") -> np.ndarray:
    """A column of n equally long lists as (n, length), contiguous; an XmerError names ``what`` is uneven.

    >>> import pyarrow as pa
    >>> matrix(pa.array([[1, 2], [3, 4]]), np.int64).tolist()
    [[1, 2], [3, 4]]
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(lists, pa.ChunkedArray):
        lists = lists.combine_chunks()
    if not len(lists):
        return np.empty((0, 1), kind)
    values = lists.flatten()
    if lists.null_count or values.null_count or len(values) % len(lists):
        raise XmerError(f"the {what} are not all of one length, or have missing values")
    width = len(values) // len(lists)
    if not pc.all(pc.equal(pc.list_value_length(lists), width)).as_py():
        raise XmerError(f"the {what} are not all of one length")
    found = values.to_numpy(zero_copy_only=False).astype(kind, copy=False)
    return np.ascontiguousarray(found).reshape(len(lists), width)


def codes(lists: pa.ListArray | pa.ChunkedArray, what: str = "codes") -> np.ndarray:
    """A column of codes, 64-bit words in lists, as (n, words) uint64."""
    return matrix(lists, np.int64, what).view(np.uint64)


def lists(rows: np.ndarray) -> pa.ListArray:
    """The rows of a matrix (n, k) as an Arrow list array.

    >>> lists(np.array([[1, 2], [3, 4]])).to_pylist()
    [[1, 2], [3, 4]]
    """
    import pyarrow as pa

    count, width = rows.shape
    offsets = pa.array(np.arange(count + 1, dtype=np.int32) * width)
    return pa.ListArray.from_arrays(offsets, pa.array(np.ascontiguousarray(rows).reshape(-1)))


def strings(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """A column of strings as an array of objects."""
    return np.array(column.to_pylist(), dtype=object)


def numbered(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct strings of a column, sorted, and each row's number among them.

    >>> import pyarrow as pa
    >>> values, number = numbered(pa.chunked_array([["b", "a"], ["b"]]))
    >>> values.tolist(), number.tolist()
    (['a', 'b'], [1, 0, 1])
    """
    encoded = column.combine_chunks().dictionary_encode()
    values, number = np.unique(strings(encoded.dictionary), return_inverse=True)
    return values, number[encoded.indices.to_numpy()]
