"""What the worker processes of a session find around them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession


def test_a_worker_is_on_one_thread_by_its_environment_which_nothing_then_has_to_change(
    spark: SparkSession,
) -> None:
    def look(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import os
        from unittest.mock import patch

        import pyarrow as pa

        from xmer_spark.numerics.threads import one_thread

        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        with patch.object(os, "putenv") as put, one_thread():
            threads = [os.environ.get(name) for name in names]
        written = {call.args[0].decode() for call in put.call_args_list}
        for _ in batches:
            changed = [name in written for name in names]
            yield pa.RecordBatch.from_pydict({"threads": threads, "changed": changed})

    found = spark.range(1).repartition(1).mapInArrow(look, "threads string, changed boolean").collect()
    assert [tuple(row) for row in found] == [("1", False)] * 3
