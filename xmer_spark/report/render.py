"""ReportData -> the page: a template, a style sheet and a script, all inlined."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from xmer_spark.names import evidence_in_words
from xmer_spark.report import figures, formats
from xmer_spark.report.data import Curve, Judged, Provenance, ReportData
from xmer_spark.report.images import data_uri
from xmer_spark.report.template import fill

#: Records on a card; a bigger entity says how many more it has.
RECORDS_SHOWN = 12
#: What the probabilities are of that are shown, in this order: the part of the data, its title and a remark.
JUDGED = (
    ("decided", "Decided", "each pair weighed against its rivals, and a match from the threshold on"),
    ("by_itself", "By itself", "each pair without a look at its rivals"),
)

ENTITY_QUERY = """
    SELECT entities.title, members.source, members.record_id, members.confidence
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

    Texts and every other string of ``data`` are escaped.
    """
    return fill(
        "page.html",
        build_figures(data),
        {
            "ratio": formats.ratio,
            "probability": formats.probability,
            "measured": formats.measured,
            "number": formats.number,
            "mix": formats.mix,
            "in_words": evidence_in_words,
            "data_uri": data_uri,
            "operating_point": operating_point,
        },
        data=data,
        sections=sections(data),
        snippet=snippet(data.provenance),
        table=_queried(data.provenance)[0],
        records_shown=RECORDS_SHOWN,
        judged=[(part, getattr(data, part), title, note) for part, title, note in JUDGED],
    )


def sections(data: ReportData) -> list[Section]:
    """The sections that have something to show, in the page's order."""
    shown = {
        Section("gallery", "Resolved entities"): data.gallery is not None and bool(data.gallery.entities),
        Section("mistakes", "Mistakes"): bool(data.false_pairs or data.missed_pairs),
        Section("kinds", "By kind"): bool(data.by_kinds or data.by_holding),
        Section("ranking", "Retrieval"): bool(data.rankings or data.confusions),
        Section("precision-recall", "Precision and recall"): bool(data.decided.curves),
        Section("calibration", "Calibration"): bool(data.decided.calibrations),
        Section("distributions", "Scores"): bool(data.decided.distributions),
        Section("flow", "Flow"): bool(data.stages or data.job_seconds),
        Section("rejects", "Rejects"): bool(data.rejects),
        Section("query", "Query it"): True,
    }
    return [section for section, has_content in shown.items() if has_content]


def build_figures(data: ReportData) -> dict[str, figures.Figure]:
    """Every figure of the page, by the id of the element that it is drawn in."""
    drawn: dict[str, figures.Figure] = {}
    for part, *_ in JUDGED:
        found: Judged = getattr(data, part)
        for number in range(len(found.curves)):
            drawn[f"precision-recall-{part}-{number}"] = figures.precision_recall(found.curves, number)
        for number, calibration in enumerate(found.calibrations):
            drawn[f"calibration-{part}-{number}"] = figures.calibration(calibration)
        for number, histogram in enumerate(found.distributions):
            drawn[f"distribution-{part}-{number}"] = figures.distribution(histogram)
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
