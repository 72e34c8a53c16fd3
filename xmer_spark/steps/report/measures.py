"""Metrics -> what the page shows of them: plain data from plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from xmer_spark import names
from xmer_spark.report import data as report
from xmer_spark.report import formats
from xmer_spark.store.runs import Metric

#: The runs' metrics by name.
Metrics = Mapping[str, Metric]

#: Shown of each modality pair's: the worst.
_WORST = (
    ("calibration_error", "Calibration error", max),
    ("blocking_recall", "Blocking recall", min),
    ("certified_recall", "Kept by blocking, certified", min),
    ("blocking_reduction", "Comparisons spared", min),
)


def headline(metrics: Metrics, modality: Mapping[str, str], depths: Sequence[int]) -> list[report.Measure]:
    """The figures that tell most: one retrieval direction per modality pair, the worst of the rest.

    ``modality`` is that of every source; recall is shown at the greatest of ``depths``.
    """
    clusters = [
        shown(title, found[names.ALL], "held-out entities")
        for name, title in (("pair_f1", "Pair F1"), ("bcubed_f1", "B-cubed F1"))
        if names.ALL in (found := names.about(name, metrics))
    ]
    deepest = max(depths)
    name, title = (names.recall_at(deepest), f"Recall@{deepest}") if clusters else ("map", "MAP")
    return [*clusters, *_directions(names.about(name, metrics), title, modality), *_worst(metrics)]


def _directions(found: Metrics, title: str, modality: Mapping[str, str]) -> list[report.Measure]:
    """The first direction between sources of each two modalities."""
    first: dict[tuple[str, ...], str] = {}
    for about in sorted(found):
        first.setdefault(tuple(modality[source] for source in names.direction_of(about)), about)
    return [
        shown(f"{title} {a} → {b}", found[about], formats.direction(about)) for (a, b), about in first.items()
    ]


def _worst(metrics: Metrics) -> list[report.Measure]:
    measures = []
    for name, title, worst in _WORST:
        values = {about: metric.value for about, metric in names.about(name, metrics).items()}
        if values:
            about = worst(sorted(values), key=values.__getitem__)
            metric = metrics[names.metric_name(name, about)]
            measures.append(shown(title, metric, f"the worst: {formats.pair(about)}"))
    return measures


def limits(metrics: Metrics) -> str:
    """One sentence on the weakest modality pair, from the figures; empty where there is no pair."""
    f1 = {about: m.value for about, m in names.about("pair_f1", metrics).items() if about != names.ALL}
    if not f1:
        return ""
    worst = min(sorted(f1), key=f1.__getitem__)
    recall = metrics[names.metric_name("pair_recall", worst)].value
    precision = metrics[names.metric_name("pair_precision", worst)].value
    a, b = names.modalities_of(worst)
    return (
        f"The weakest links are between {a} and {b}: {recall:.0%} of these true pairs are found, "
        f"and {precision:.0%} of those found are right."
    )


def curves(metrics: Metrics) -> list[report.Curve]:
    """Precision over recall, by modality pair, with the threshold in force."""
    chosen = names.about("threshold", metrics)
    return [
        report.Curve(
            formats.pair(about),
            **_detail(metric),
            average_precision=metric.value,
            chosen_threshold=chosen[about].value if about in chosen else None,
        )
        for about, metric in names.about("average_precision", metrics).items()
    ]


def calibrations(metrics: Metrics) -> list[report.Calibration]:
    """Observed over predicted, by modality pair."""
    found = []
    for about, metric in names.about("calibration_error", metrics).items():
        bins = _detail(metric)
        low, high = bins["interval"]
        found.append(
            report.Calibration(
                formats.pair(about),
                bins["probability"],
                bins["observed"],
                low,
                high,
                bins["count"],
                metric.value,
            )
        )
    return found


def distributions(metrics: Metrics) -> list[report.Distribution]:
    """How many true and false pairs have each probability, by modality pair."""
    found = {about: _detail(metric) for about, metric in names.about("scored_pairs", metrics).items()}
    return [
        report.Distribution(formats.pair(about), bins["edges"], bins["right"], bins["wrong"])
        for about, bins in found.items()
    ]


def rankings(metrics: Metrics, depths: Sequence[int]) -> list[report.Ranking]:
    """Recall@K for the K in ``depths``, and MAP, by direction."""
    found = {about: (metric, _detail(metric)) for about, metric in names.about("map", metrics).items()}
    recalls = {k: names.about(names.recall_at(k), metrics) for k in depths}
    return [
        report.Ranking(
            formats.direction(about),
            detail["queries"],
            detail["gallery"],
            {k: shown(f"Recall@{k}", recall[about]) for k, recall in recalls.items()},
            shown("MAP", metric),
        )
        for about, (metric, detail) in found.items()
    ]


def confusions(metrics: Metrics) -> list[report.Confusion]:
    """The class of the query over that of its first result, by direction."""
    found = names.about("first_result_class_accuracy", metrics)
    details = {about: _detail(metric) for about, metric in found.items()}
    return [
        report.Confusion(formats.direction(about), detail["classes"], np.array(detail["counts"]))
        for about, detail in details.items()
    ]


def stages(counts: Mapping[str, Mapping[str, int]], metrics: Metrics) -> list[report.Stage]:
    """What is left after each step; ``counts`` are the runs' by job.

    Where entities were not formed, there are no steps that lead to them.
    """
    ingested, extracted, resolved = (counts[job] for job in ("ingest", "extract", "resolve"))
    found = [
        report.Stage("items", ingested["items"], f"{ingested['rejects']:,} rejected"),
        report.Stage("features", extracted["features"], "vectors of all extractors"),
        report.Stage("embeddings", resolved["embedded"]),
    ]
    if "entities" not in resolved:
        return found
    possible = sum(_detail(m)["possible"] for m in names.about("blocking_reduction", metrics).values())
    remark = f"of {possible:,} possible pairs" if possible else ""
    return [
        *found,
        report.Stage("candidate pairs", resolved["candidates"], remark),
        report.Stage("scored matches", resolved["scored_matches"], "above the review threshold"),
        report.Stage("entities", resolved["entities"]),
    ]


def facts(counts: Mapping[str, Mapping[str, int]], sources: Sequence[str]) -> dict[str, int]:
    """The totals at the top of the page."""
    found = {name: counts["ingest"][name] for name in ("items", "rejects")}
    if "entities" in counts["resolve"]:
        found["entities"] = counts["resolve"]["entities"]
    return found | {"sources": len(sources)}


def shown(name: str, metric: Metric, note: str = "") -> report.Measure:
    return report.Measure(name, metric.value, metric.low, metric.high, note)


def _detail(metric: Metric) -> dict[str, Any]:
    return dict(metric.detail or {})
