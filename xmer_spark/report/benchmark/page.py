"""Benchmark results -> one page that says which method to choose for which data, and loads nothing."""

from __future__ import annotations

import json

from xmer_spark.report import survey
from xmer_spark.report.benchmark import matching, tables
from xmer_spark.report.benchmark.curves import build_figures, curves
from xmer_spark.report.benchmark.data import BenchmarkData, Result
from xmer_spark.report.template import fill


def render(data: BenchmarkData) -> str:
    """The page as one HTML document; whatever has no results is left out."""
    titles = {method.name: method.title for method in data.methods}

    def title(result: Result) -> str:
        return tables.titled(titles[result.method], result.setting)

    return fill(
        "benchmark_page.html",
        build_figures(data),
        {"score": score, "megabytes": megabytes, "parameters": parameters, "title": title},
        data=data,
        choices=tables.choices(data),
        columns=tables.columns(data),
        overview=tables.overview(data),
        beside=tables.beside(data),
        survey_methods=survey.METHODS,
        collapsed=tables.collapsed(data),
        curves=curves(data),
        protocols=matching.PROTOCOLS,
        matched=matching.matched(data),
        details=[(f, tables.shown(data, f), tables.details(data, f)) for f in data.features],
    )


def score(value: float | None) -> str:
    """Three decimals, as results of retrieval are printed; a dash where there is none.

    >>> score(0.21951), score(None)
    ('.220', '–')
    """
    return "–" if value is None else f"{value:.3f}".removeprefix("0")


def megabytes(size: int) -> str:
    """Bytes in millions.

    >>> megabytes(2_345_678_901)
    '2,346 MB'
    """
    return f"{size / 1e6:,.0f} MB"


def parameters(text: str) -> str:
    """Parameters as a reader wants them.

    >>> parameters('{"dimensions": 10, "training": {"epochs": 5}}')
    'dimensions 10, training epochs 5'
    """
    found = []
    for name, value in json.loads(text).items():
        inner = value.items() if isinstance(value, dict) else [("", value)]
        found += [f"{name} {key} {_plain(part)}".replace("  ", " ") for key, part in inner]
    return ", ".join(found)


def _plain(value: object) -> str:
    return " + ".join(map(str, value)) if isinstance(value, list) else str(value)
