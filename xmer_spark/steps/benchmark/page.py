"""The table benchmarks -> the page: runs of one cell become a mean and a deviation."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xmer_spark.config import Benchmark, load_config
from xmer_spark.report.benchmark import render
from xmer_spark.report.benchmark.data import BenchmarkData, Features, Method, Result
from xmer_spark.steps.benchmark.matching import FIELDS
from xmer_spark.steps.benchmark.plan import KEY

if TYPE_CHECKING:
    from xmer_spark.steps.benchmark.matching import Asked
    from xmer_spark.steps.benchmark.plan import Cell
    from xmer_spark.store.runs import Context

#: What a result is of.
_RESULT = (*KEY, "direction", "measure")


def write(
    context: Context,
    benchmark: Benchmark,
    cells: Sequence[Cell],
    tables: Asked,
    absent: Mapping[str, str],
    failed: Mapping[str, str],
) -> None:
    """Write the page of all that the table holds and the configuration names.

    Rows of other parameters or items than those of ``cells`` are left out; of a feature setting
    without cells, which is not there or was not asked for, whatever was measured last is shown.
    """
    current = {(cell.fingerprint, *cell.key) for cell in cells}
    looked_at = {(cell.data, cell.features) for cell in cells} | {(name, FIELDS) for name in tables}
    matched = {(name, fingerprint) for name, (_, fingerprint) in tables.items()}
    rows = [
        row
        for row in context.warehouse.read("benchmarks").collect()
        if (row["data"], row["features"]) not in looked_at
        or (row["fingerprint"], *(row[name] for name in KEY)) in current
        or (row["data"], row["fingerprint"]) in matched
    ]
    content = BenchmarkData(
        name=context.config.name,
        features=_features(benchmark),
        methods=_methods(benchmark),
        results=results(rows),
        created=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        warehouse=context.config.warehouse.path,
        missing={**absent, **failed},
        tables={each.name: each.title or each.name for each in benchmark.relational},
    )
    path = Path(benchmark.page)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(content), "utf-8")


def results(rows: Sequence[Any]) -> list[Result]:
    """Rows of the table, each of one seed -> one result per cell and measure."""
    found = []
    ordered = sorted(rows, key=lambda row: (_key(row), row["seed"]))
    for key, group in groupby(ordered, key=_key):
        runs = list(group)
        values = [run["value"] for run in runs]
        found.append(
            Result(
                **dict(zip(_RESULT, key, strict=True)),
                value=statistics.fmean(values),
                deviation=statistics.stdev(values) if len(values) > 1 else None,
                runs=len(values),
                seconds=statistics.median(run["seconds"] for run in runs),
                peak_memory=int(statistics.median(run["peak_memory"] for run in runs)),
                parameters=runs[0]["parameters"],
                validation=runs[0]["validation"],
            )
        )
    return found


def _key(row: Any) -> tuple[Any, ...]:
    return tuple(row[name] for name in _RESULT)


def _methods(benchmark: Benchmark) -> list[Method]:
    methods = {
        m.name: Method(m.name, m.title or m.name, m.table, m.space or m.name) for m in benchmark.method
    }
    return list(methods.values())


def _features(benchmark: Benchmark) -> list[Features]:
    return [
        Features(
            data.name,
            features.name,
            features.title or features.name,
            data.title or data.name,
            features.survey,
            by_class=load_config(data.config).evaluation.task == "class",
        )
        for data in benchmark.data
        for features in data.features
    ]
