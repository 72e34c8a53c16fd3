"""What a partition makes of what it was sent: rows of bounded size, whatever the data."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from tests.blocking.records.world import blocker
from xmer_spark.blocking.records.base import Records
from xmer_spark.blocking.records.joint import Found
from xmer_spark.blocking.records.meeting import RecordBlocks, regroup
from xmer_spark.blocking.records.shipping import ShipRecords

SIZE = 120


def test_regrouped_lots_are_bounded_in_pairs_and_records_and_keep_the_order() -> None:
    generator = np.random.default_rng(0)
    sizes = [0, 3, 50, 1, 0, 17]
    lots = [Found(*generator.integers(0, 30, (3, size), dtype=np.int32)) for size in sizes]
    cut = list(regroup(lots, 20, 12))
    for whole, parts in zip(zip(*lots, strict=True), zip(*cut, strict=True), strict=True):
        assert np.array_equal(np.concatenate(whole), np.concatenate(parts))
    for lot in cut:
        assert 0 < len(lot.left) <= 20
        assert len(np.unique(lot.left)) + len(np.unique(lot.right)) <= 12


def test_one_code_that_most_records_have_is_cut_into_rows_of_bounded_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("xmer_spark.blocking.records.meeting.ROW_PAIRS", 500)
    monkeypatch.setattr("xmer_spark.blocking.records.meeting.ROW_BYTES", 800)
    keys, code = np.arange(2 * SIZE), np.zeros((2 * SIZE, 2), np.int64)
    code[::10] = np.random.default_rng(0).integers(0, 2**63, (len(keys[::10]), 2), np.int64)
    source = np.where(keys < SIZE, "shop", "web")
    table = pa.table({"record_key": keys, "source": source, "photo/code": code.tolist()})
    nothing = Records(keys[:0], table[:0])
    plan = {("shop", "web"): [blocker("codes").fit(nothing, nothing)]}
    columns = {"shop": ["photo/code"], "web": ["photo/code"]}
    shipped = ShipRecords(plan, 1, columns)(table.to_batches())
    rows = pa.Table.from_batches(RecordBlocks(plan, 1, columns)(shipped)).to_pylist()
    assert sum(row["pairs"] for row in rows) == (SIZE * 9 // 10) ** 2
    for row in rows:
        assert row["pairs"] <= 500
        # A key is 8 bytes, and a code of two words 16 at least.
        assert (len(row["left_keys"]) + len(row["right_keys"])) / 8 <= 800 / 16
