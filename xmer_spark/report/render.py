"""ReportData -> the page: a template, a style sheet and a script, all inlined."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from xmer_spark.report import figures, formats
from xmer_spark.report.data import Curve, Provenance, ReportData
from xmer_spark.report.images import data_uri
from xmer_spark.report.template import fill

#: Items on a card; a bigger entity says how many more it has.
ITEMS_SHOWN = 12

ENTITY_QUERY = """
    SELECT entities.title, members.source, members.item_id, members.confidence
    FROM entities JOIN members USING (entity_id)
    WHERE entities.size > 1
    ORDER BY entities.lowest_link DESC, entity_id LIMIT 20
"""
METRICS_QUERY = """
    SELECT name, value, low, high FROM metrics ORDER BY run_id, name
"""


class Section(NamedTuple):
    """A section of the page, by the anchor that links to it."""

    anchor: str
    title: str


def render(data: ReportData) -> str:
    """The report as one HTML document that loads nothing; what ``data`` leaves empty is left out.

    Item texts and every other string of ``data`` are escaped.
    """
    return fill(
        "page.html",
        build_figures(data),
        {
            "ratio": formats.ratio,
            "probability": formats.probability,
            "measured": formats.measured,
            "number": formats.number,
            "data_uri": data_uri,
            "operating_point": operating_point,
        },
        data=data,
        sections=sections(data),
        snippet=snippet(data.provenance),
        table=_queried(data.provenance)[0],
        items_shown=ITEMS_SHOWN,
    )


def sections(data: ReportData) -> list[Section]:
    """The sections that have something to show, in the page's order."""
    shown = {
        Section("gallery", "Resolved entities"): data.gallery is not None and bool(data.gallery.entities),
        Section("mistakes", "Mistakes"): bool(data.false_pairs or data.missed_pairs),
        Section("ranking", "Retrieval"): bool(data.rankings or data.confusions),
        Section("precision-recall", "Precision and recall"): bool(data.curves),
        Section("calibration", "Calibration"): bool(data.calibrations),
        Section("distributions", "Scores"): bool(data.distributions),
        Section("flow", "Flow"): bool(data.stages or data.job_seconds),
        Section("rejects", "Rejects"): bool(data.rejects),
        Section("query", "Query it"): True,
    }
    return [section for section, has_content in shown.items() if has_content]


def build_figures(data: ReportData) -> dict[str, figures.Figure]:
    """Every figure of the page, by the id of the element that it is drawn in."""
    drawn: dict[str, figures.Figure] = {}
    for number in range(len(data.curves)):
        drawn[f"precision-recall-{number}"] = figures.precision_recall(data.curves, number)
    for number, calibration in enumerate(data.calibrations):
        drawn[f"calibration-{number}"] = figures.calibration(calibration)
    for number, histogram in enumerate(data.distributions):
        drawn[f"distribution-{number}"] = figures.distribution(histogram)
    for number, matrix in enumerate(data.confusions):
        drawn[f"confusion-{number}"] = figures.confusion(matrix)
    return drawn


def operating_point(curve: Curve) -> dict[str, float] | None:
    """Precision and recall at the threshold in force."""
    at = figures.operating_point(curve)
    if at is None:
        return None
    return {
        "precision": float(np.asarray(curve.precision)[at]),
        "recall": float(np.asarray(curve.recall)[at]),
    }


def snippet(provenance: Provenance) -> str:
    """Python that reads the published tables at the versions which the page describes."""
    lines = ["import duckdb", "from deltalake import DeltaTable", ""]
    for table in _queried(provenance):
        location = f"{provenance.warehouse.rstrip('/')}/{table}"
        version = provenance.table_versions.get(table)
        at = "" if version is None else f", version={version}"
        lines.append(f"{table} = DeltaTable({location!r}{at}).to_pyarrow_table()")
    query = ENTITY_QUERY if "entities" in _queried(provenance) else METRICS_QUERY
    return "\n".join([*lines, "", f'print(duckdb.sql("""{query}"""))'])


def _queried(provenance: Provenance) -> tuple[str, ...]:
    """The tables that the examples read: a run without entities still has its metrics."""
    has_entities = {"members", "entities"} <= set(provenance.table_versions)
    return ("members", "entities") if has_entities else ("metrics",)
