"""Published tables of a few columns, written without Spark, for what reads them without it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import write_deltalake

from xmer_spark.store import layout
from xmer_spark.store.published import Published

_MAP = pa.map_(pa.string(), pa.int64())
RUNS = pa.schema(
    [
        ("run_id", pa.string()), ("job", pa.string()), ("status", pa.string()), ("fingerprint", pa.string()),
        ("config_hash", pa.string()),
        ("model_version", pa.string()), ("inputs", _MAP), ("outputs", _MAP), ("counts", _MAP),
        ("detail", pa.string()),
        ("started", pa.timestamp("us", "UTC")), ("finished", pa.timestamp("us", "UTC")),
    ]
)  # fmt: skip


def write_rows(
    root: Path, name: str, rows: Sequence[Mapping[str, Any]], schema: pa.Schema | None = None
) -> None:
    """The next version of a table: these rows and no others."""
    write_deltalake(root / name, pa.Table.from_pylist(list(rows), schema), mode="overwrite")


def publish(root: Path, versions: Sequence[Mapping[str, int]]) -> Published:
    """A resolution after another, each of which published these versions: ``resolve-0`` and so on."""
    layout.begin(str(root))
    days = [datetime(2026, 1, n + 1, tzinfo=UTC) for n in range(len(versions))]
    runs = [
        {"run_id": f"resolve-{n}", "job": "resolve", "status": "finished", "outputs": dict(outputs)}
        | {"started": day, "finished": day}
        for n, (outputs, day) in enumerate(zip(versions, days, strict=True))
    ]
    write_rows(root, "runs", runs, RUNS)
    return Published(str(root))
