"""Records as columns: what goes into Arrow comes out again, and what is missing stays missing."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xmer_spark.errors import XmerError
from xmer_spark.numerics.records import Records, scattered

TITLES = np.array(["a", None, "c"], object)


def made(missing: tuple[int, ...] = (1,)) -> Records:
    random = np.random.default_rng(0)
    embedding = random.standard_normal((3, 4)).astype(np.float32)
    surroundings = random.standard_normal((3, 2)).astype(np.float32)
    code = random.integers(0, 2**64, (3, 2), np.uint64)
    for values, empty in ((embedding, np.nan), (surroundings, np.nan), (code, 0)):
        values[list(missing)] = empty
    columns = {"title": TITLES, "photo/embedding": embedding, "photo/surroundings": surroundings}
    return Records("shop", np.array([7, -3, 9]), columns | {"photo/code": code})


def assert_same(one: Records, other: Records) -> None:
    assert one.source == other.source
    np.testing.assert_array_equal(one.keys, other.keys)
    assert set(one.columns) == set(other.columns)
    for name, values in one.columns.items():
        assert values.dtype == other.columns[name].dtype, name
        np.testing.assert_array_equal(values, other.columns[name], err_msg=name)


@given(st.sets(st.integers(0, 2), max_size=2).map(tuple))
def test_records_are_the_same_after_arrow(missing: tuple[int, ...]) -> None:
    records = made(missing)
    table = records.table()
    assert_same(Records.of("shop", table), records)
    assert_same(Records.of("shop", table.combine_chunks().to_batches()[0]), records)
    assert table["photo/code"].null_count == table["photo/embedding"].null_count == len(missing)


def test_a_column_in_which_no_record_has_a_value_is_left_out() -> None:
    table = pa.table(
        {
            "record_key": [1, 2],
            "source": ["shop", "shop"],
            "title": pa.nulls(2, pa.string()),
            "price": ["1", None],
            "photo/embedding": pa.nulls(2, pa.list_(pa.float32())),
        }
    )
    assert set(Records.of("shop", table).columns) == {"price"}
    assert not Records.of("shop", table.slice(0, 0)).columns
    everything_missing = made((0, 1, 2)).table()
    assert set(Records.of("shop", everything_missing).columns) == {"title"}


def test_lists_in_several_chunks_are_one_column() -> None:
    lists = pa.chunked_array([[[1.0, 2.0]], [None, [3.0, 4.0]]], pa.list_(pa.float32()))
    found = Records.of("shop", pa.table({"record_key": [1, 2, 3], "photo/embedding": lists}))
    np.testing.assert_array_equal(found.columns["photo/embedding"], [[1, 2], [np.nan, np.nan], [3, 4]])


def test_vectors_of_unequal_length_are_refused() -> None:
    table = pa.table({"record_key": [1, 2], "photo/embedding": [[1.0], [2.0, 3.0]]})
    with pytest.raises(XmerError, match="not all of one length"):
        Records.of("shop", table)


def test_what_is_there_is_told_of_fields_contents_and_codes() -> None:
    records = made()
    for column in ("title", "photo/embedding", "photo/surroundings", "photo/code"):
        assert records.present(column).tolist() == [True, False, True], column
    for column in ("price", "back/embedding", "back/code"):
        assert records.present(column).tolist() == [False] * 3, column


def test_some_records_are_the_same_rows_of_every_column() -> None:
    records = made()
    some = records.where(np.array([2, 0]))
    assert some.keys.tolist() == [9, 7]
    assert some.columns["title"].tolist() == ["c", "a"]
    assert_same(records.where(np.array([True, False, True])).where(np.array([1, 0])), some)


def test_of_one_content_there_is_nothing_else() -> None:
    records = made().only("photo")
    assert records.source == "shop#photo"
    assert set(records.columns) == {"photo/embedding", "photo/surroundings", "photo/code"}
    assert not made().only("back").columns


def test_scattered_values_lie_at_their_rows_and_nothing_elsewhere() -> None:
    found = scattered(np.array([2, 0]), np.array([[5], [6]], np.uint64), 4)
    assert found.dtype == np.uint64
    assert found.tolist() == [[6], [0], [5], [0]]
