"""Raw records -> checked records: their fields understood, their contents loaded, examined and hashed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from xmer_spark.config import Ingest, Source
from xmer_spark.files import Place
from xmer_spark.sources.assembly import assembled, constant, lists_of
from xmer_spark.sources.contents import Finding, findings
from xmer_spark.sources.fields import Columns, Examine, at_once, one_by_one
from xmer_spark.sources.records import columns_of
from xmer_spark.sources.roles import head

#: Bytes of content that one batch of results holds.
_BATCH_BYTES = 32 << 20


def check(
    batches: Iterable[pa.RecordBatch], source: Source, limits: Ingest, root: Place
) -> Iterator[pa.RecordBatch]:
    """Batches with the columns ``assembly.CHECKED``, in the order of the rows; what was refused says why.

    Files are looked for in the folder ``root``. A bad value costs its field, and the record only where
    nothing else is left of it.
    """
    for batch in batches:
        columns = Columns(columns_of(batch, source), limits, len(batch))
        records, whole, each = head(batch, columns, source), dict[str, pa.RecordBatch](), dict[str, Examine]()
        for name, field in source.all_fields().items():
            found = at_once(columns, source, name, field)
            if found is not None:
                whole[name] = found
            else:
                each[name] = one_by_one(columns, records.column("label"), source, name, field, root)
        records = records.append_column("missing", _marked(columns))
        for start, length, examined in _by_size(records, each):
            fields = {name: found.slice(start, length) for name, found in whole.items()}
            yield assembled(records.slice(start, length), fields | examined, source)


def _by_size(
    records: pa.RecordBatch, each: Mapping[str, Examine]
) -> Iterator[tuple[int, int, dict[str, pa.RecordBatch]]]:
    """What is examined one by one: contents may be large, so it goes out whenever enough has come together.

    Yields the first row, the number of rows, and the findings by field.
    """
    if not each:
        yield 0, len(records), {}
        return
    refused = pc.is_valid(records.column("reason")).to_pylist()
    start, size, found = 0, 0, {name: list[Finding]() for name in each}
    for row in range(len(records)):
        for name, examine in each.items():
            finding = {} if refused[row] else examine(row)
            found[name].append(finding)
            size += len(finding.get("image") or finding.get("text") or "")
        if size >= _BATCH_BYTES or row + 1 == len(records):
            yield start, row + 1 - start, {name: findings(rows) for name, rows in found.items()}
            start, size, found = row + 1, 0, {name: [] for name in each}


def _marked(columns: Columns) -> pa.ListArray:
    """The names of the columns of each row where a null marker stood."""
    read = columns.as_strings
    masks = [found.marked.to_numpy(zero_copy_only=False) for found in read.values()]
    return lists_of([constant(name, columns.length) for name in read], masks, pa.string())
