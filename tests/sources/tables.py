"""What became of some sources, as rows by their ids."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from xmer_spark.schema import REJECT_REASONS

Rows = list[dict[str, Any]]


class Tables:
    """What became of some sources: records and items by their ids, rejects, and null markers counted."""

    def __init__(self, records: Rows, items: Rows, rejects: Rows, missing: Rows) -> None:
        self.records = {row["record_id"]: row for row in records}
        self.items = {row["item_id"]: row for row in items}
        self.rejects, self.missing = rejects, missing
        assert [len(self.records), len(self.items)] == [len(records), len(items)]
        assert {row["record_key"] for row in items} <= {row["record_key"] for row in records}

    def reasons(self) -> dict[str, str]:
        """The reason by source and key; no two rejects may share these."""
        found = {f"{row['source']}/{row['key']}": row["reason"] for row in self.rejects}
        assert len(found) == len(self.rejects)
        assert all(row["detail"] and row["reason"] in REJECT_REASONS for row in self.rejects)
        return found


Read = Callable[..., Tables]
