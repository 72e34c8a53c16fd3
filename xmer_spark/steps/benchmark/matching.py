"""The sets of tables that a benchmark asks for -> rows of the table benchmarks, one process for each set."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from xmer_spark.config import Benchmark, BenchmarkTables, document_hash
from xmer_spark.errors import XmerError
from xmer_spark.names import direction_name
from xmer_spark.steps.benchmark.process import alone
from xmer_spark.steps.benchmark.relational import measure
from xmer_spark.steps.benchmark.tables import files

log = logging.getLogger(__name__)

#: The feature setting of rows of tables, which are compared as they are.
FIELDS = "fields"
#: Raised when the same settings are measured in another way than before.
_PROTOCOL = 1

#: Sets by name, each with a hash of all that its values depend on.
Asked = Mapping[str, tuple[BenchmarkTables, str]]


def asked(benchmark: Benchmark, absent: dict[str, str]) -> Asked:
    """The sets that ``only`` lets through and whose files are here; ``absent`` notes what is missing."""
    only = benchmark.only
    if only.features or only.methods or (only.conditions and "none" not in only.conditions):
        return {}
    found = {}
    for chosen in benchmark.relational:
        if only.data and chosen.name not in only.data:
            continue
        missing = [path for path in files(chosen) if not path.is_file()]
        if missing:
            absent[chosen.name] = f"there is no {missing[0]}"
            log.warning("benchmark: %s is left out: %s", chosen.name, absent[chosen.name])
            continue
        contents = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files(chosen)]
        known = chosen.model_dump(exclude={"title", "left", "right", "truth", "splits"})
        found[chosen.name] = chosen, document_hash([_PROTOCOL, known, bool(chosen.right), contents])
    return found


def rows(wanted: Asked, present: Sequence[Any], failed: dict[str, str]) -> Iterator[list[dict[str, Any]]]:
    """The rows of each set that the table does not hold; what fails is noted in ``failed``."""
    held = {(row["data"], row["fingerprint"]) for row in present}
    for name, (settings, fingerprint) in wanted.items():
        if (name, fingerprint) in held:
            continue
        log.info("benchmark: %s, rows of tables", name)
        try:
            found = alone(measure, settings)
        except XmerError as error:
            failed[name] = str(error)
            log.warning("benchmark: %s failed: %s", name, error)
            continue
        yield [
            {
                "data": name,
                "features": FIELDS,
                "method": scored.method,
                "setting": scored.setting,
                "condition": "none",
                "amount": 0.0,
                "seed": 0,
                "direction": direction_name("left", "right" if settings.right or settings.splits else "left"),
                "measure": measured,
                "value": value,
                "seconds": scored.seconds,
                "peak_memory": scored.peak_memory,
                "parameters": "{}",
                "validation": None,
                "fingerprint": fingerprint,
            }
            for scored in found
            for measured, value in scored.values.items()
        ]
