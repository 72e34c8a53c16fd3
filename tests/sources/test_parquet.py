"""Parquet as its writers leave it: columns of every type are read, or named where they cannot be."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.sources.reading import Found, read
from xmer_spark.errors import ConfigError

VECTOR = {"type": "vector", "modality": "text"}


def found_in(root: Path, table: pa.Table, **fields: Any) -> Found:
    pq.write_table(table, root / "x.parquet")
    typed = {name: {"type": field} if isinstance(field, str) else field for name, field in fields.items()}
    return read(root, kind="parquet", path="x.parquet", key="sku", fields=typed)


@pytest.mark.parametrize(
    "strings",
    [
        pa.array(["a", "b"], pa.string_view()),
        pa.array(["a", "b"], pa.large_string()),
        pa.array(["a", "b"], pa.large_string()).dictionary_encode(),
        pa.array([b"a", b"b"], pa.binary_view()),
        pa.array([b"a", b"b"], pa.binary(1)),
        pa.array(["a", "b"], pa.json_(pa.string())),
    ],
)
def test_strings_of_every_type_are_the_same(tmp_path: Path, strings: pa.Array) -> None:
    found = found_in(tmp_path, pa.table({"sku": strings, "title": strings}), title="text")
    assert found.values("title") == {"a": "a", "b": "b"}


@pytest.mark.parametrize(
    "vectors",
    [
        pa.array([[1.0, 2.0]], pa.list_view(pa.float64())),
        pa.array([[1.0, 2.0]], pa.large_list(pa.float16())),
        pa.array([[1.0, 2.0]], pa.list_(pa.float32(), 2)),
        pa.array([[1, 2]], pa.list_(pa.decimal128(5, 2))),
        pa.FixedShapeTensorArray.from_numpy_ndarray(np.array([[[1.0], [2.0]]], np.float32)),
    ],
)
def test_lists_of_numbers_of_every_type_are_vectors(tmp_path: Path, vectors: pa.Array) -> None:
    found = found_in(tmp_path, pa.table({"sku": ["1"], "v": vectors}), v=VECTOR)
    assert found.values("v") == {"1": [1.0, 2.0]}


def test_numbers_beyond_what_float32_holds_exactly_are_rounded(tmp_path: Path) -> None:
    vectors = pa.array([[2**60 + 1, 1], None, []], pa.list_(pa.int64()))
    found = found_in(tmp_path, pa.table({"sku": ["1", "2", "3"], "v": vectors}), v=VECTOR)
    assert found.values("v") == {"1": [float(2**60), 1.0]}
    assert found.refusals == [("2", None, "no_value"), ("3", "v", "bad_vector")]


@pytest.mark.parametrize(
    "values",
    [
        [["1", "2"]],
        [[[1.0], [2.0]]],
        [{"a": 1.0}],
        [[True]],
        pa.array([[("a", 1)]], pa.map_("string", "int8")),
    ],
)
def test_other_lists_are_no_vectors(tmp_path: Path, values: Any) -> None:
    with pytest.raises(ConfigError, match=r"fields\.v: v is .*, not lists of numbers"):
        found_in(tmp_path, pa.table({"sku": ["1"], "v": values}), v=VECTOR)


def test_a_column_without_any_value_holds_missing_ones_whatever_its_field_is(tmp_path: Path) -> None:
    table = pa.table({"sku": ["1"], "n": ["a"], **{name: pa.nulls(1) for name in ("i", "t", "v", "x")}})
    found = found_in(tmp_path, table, n="name", i="image", t="text", v=VECTOR, x="number")
    assert found.records["1"]["fields"] == {"n": "a"}
    assert found.refusals == []


def test_what_lists_and_keys_hold_is_text_and_not_as_python_shows_it(tmp_path: Path) -> None:
    key = uuid.UUID(int=7)
    table = pa.table({"sku": pa.array([key.bytes], pa.uuid()), "tags": [[b"y", b"x"]]})
    found = found_in(tmp_path, table, tags="set")
    assert found.values("tags") == {str(key): '["x", "y"]'}


def test_pandas_index_and_categories_are_columns_as_others(tmp_path: Path) -> None:
    frame = pd.DataFrame({"title": pd.Categorical(["a", "b"])}, index=pd.Index([7, 8], name="sku"))
    found = found_in(tmp_path, pa.Table.from_pandas(frame), title="text")
    assert found.values("title") == {"7": "a", "8": "b"}


@pytest.mark.parametrize("name", ["title ", "\ufeffti\u200btle"])
def test_names_of_columns_are_those_that_one_sees(tmp_path: Path, name: str) -> None:
    found = found_in(tmp_path, pa.table({"sku": ["1"], name: ["a"]}), title="text")
    assert found.values("title") == {"1": "a"}


@pytest.mark.parametrize("names", [["sku", "title", "title"], ["sku", "title ", " title"]])
def test_a_column_name_that_stands_twice_is_refused(tmp_path: Path, names: list[str]) -> None:
    table = pa.Table.from_arrays([pa.array(["1"])] * 3, names=names)
    with pytest.raises(ConfigError, match="more than one column title"):
        found_in(tmp_path, table, title="text")


def test_a_value_that_cannot_be_read_is_told_with_its_column(tmp_path: Path) -> None:
    day = pa.array([5], pa.timestamp("s", tz="Mars/Phobos"))
    with pytest.raises(ConfigError, match=r"column day holds timestamp.*write the column as strings"):
        found_in(tmp_path, pa.table({"sku": ["1"], "day": day}), day="date")


def _half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _scratched(content: bytes) -> bytes:
    return content[:40] + b"\xff" * 1960 + content[2000:]


def _encrypted(content: bytes) -> bytes:
    return b"PARE" + bytes(100) + b"PARE"


@pytest.mark.parametrize("damage", [_half, _scratched, _encrypted])
def test_a_damaged_file_is_told_by_its_name(tmp_path: Path, damage: Any) -> None:
    numbers = [str(number) for number in range(1000)]
    (tmp_path / "t").mkdir()
    for name in ("a", "b"):
        pq.write_table(pa.table({"sku": numbers, "title": numbers}), tmp_path / "t" / f"{name}.parquet")
    broken = tmp_path / "t" / "b.parquet"
    broken.write_bytes(damage(broken.read_bytes()))
    with pytest.raises(ConfigError, match=r"b\.parquet is not a Parquet file that can be read"):
        read(tmp_path, kind="parquet", path="t", key="sku", fields={"title": {"type": "text"}})
