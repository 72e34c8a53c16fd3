"""Metrics -> what the page shows of them: plain data from plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from xmer_spark import names
from xmer_spark.report import data as report
from xmer_spark.report import formats
from xmer_spark.steps.evaluate.clusters import HOLDING
from xmer_spark.steps.evaluate.tables import HELD_OUT
from xmer_spark.store.runs import Metric

#: The runs' metrics by name.
Metrics = Mapping[str, Metric]

#: Measured of pairs of kinds, as the page has them.
_PAIRWISE = (
    ("pair_precision", "Precision"),
    ("pair_recall", "Recall"),
    ("pair_f1", "Pair F1"),
    ("bcubed_f1", "B-cubed F1"),
)
#: Shown of each measure: the worst.
_WORST = (
    ("calibration_error", "Calibration error", max),
    ("blocking_recall", "Blocking recall", min),
    ("certified_recall", "Kept by blocking, certified", min),
    ("blocking_reduction", "Comparisons spared", min),
)


def headline(metrics: Metrics, kinds: Mapping[str, str], depths: Sequence[int]) -> list[report.Measure]:
    """The figures that tell most: one retrieval direction per pair of kinds, the worst of the rest.

    ``kinds`` is the kind of every source and of every field; recall is shown at the greatest of ``depths``.
    """
    clusters = [
        shown(title, found[names.ALL], "held-out entities")
        for name, title in (("pair_f1", "Pair F1"), ("bcubed_f1", "B-cubed F1"))
        if names.ALL in (found := names.about(name, metrics))
    ]
    deepest = max(depths)
    name, title = (names.recall_at(deepest), f"Recall@{deepest}") if clusters else ("map", "MAP")
    return [*clusters, *_directions(names.about(name, metrics), title, kinds), *_worst(metrics)]


def _directions(found: Metrics, title: str, kinds: Mapping[str, str]) -> list[report.Measure]:
    """The first direction between sides of each two kinds."""
    first: dict[str, str] = {}
    for about in sorted(found):
        between = " → ".join(formats.kind(kinds[side]) for side in names.direction_of(about))
        first.setdefault(between, about)
    return [
        shown(f"{title} {between}", found[about], formats.direction(about))
        for between, about in first.items()
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
    """One sentence on the weakest pair of kinds, from the figures; empty where there is no pair.

    Where no truth is known, that is what limits the page.
    """
    if not truth_known(metrics):
        return "No true entity of a held-out record is known here, so that nothing is measured against one."
    f1 = {about: m.value for about, m in names.about("pair_f1", metrics).items() if about != names.ALL}
    if not f1:
        return ""
    worst = min(sorted(f1), key=f1.__getitem__)
    recall = metrics[names.metric_name("pair_recall", worst)].value
    precision = metrics[names.metric_name("pair_precision", worst)].value
    a, b = map(formats.kind, names.kinds_of(worst))
    return (
        f"The weakest links are between {a} and {b}: {recall:.0%} of these true pairs are found, "
        f"and {precision:.0%} of those found are right."
    )


def truth_known(metrics: Metrics) -> bool:
    """Whether there were held-out records to measure with."""
    return metrics[HELD_OUT].value > 0


def by_kinds(metrics: Metrics) -> list[report.Breakdown]:
    """Pair measures and B-cubed F1 in all and by pair of kinds; nothing where there is a single one."""
    f1 = names.about("pair_f1", metrics)
    pairs = [about for about in f1 if about != names.ALL]
    if len(pairs) < 2:
        return []
    rows = [(names.ALL, "all")] + [(about, formats.pair(about)) for about in pairs]
    return [
        report.Breakdown(
            title,
            [shown(words, metrics[names.metric_name(name, about)]) for name, words in _PAIRWISE],
        )
        for about, title in rows
    ]


def by_holding(metrics: Metrics) -> list[report.Breakdown]:
    """B-cubed F1 by the kinds of records that entities have; nothing where all have the same."""
    found = names.about(HOLDING, metrics)
    if len(found) < 2:
        return []
    return [
        report.Breakdown(formats.mix(about), [shown("B-cubed F1", metric)], _detail(metric)["entities"])
        for about, metric in found.items()
    ]


def threshold_in_force(metrics: Metrics) -> float | None:
    """The least decided probability of a match; None where nothing was put together."""
    found = metrics.get(names.metric_name("match_threshold", names.ALL))
    return None if found is None else found.value


def judged(metrics: Metrics, named: Callable[[str], str], threshold: float | None = None) -> report.Judged:
    """How probabilities came true; ``named`` turns a measure into its name, such as ``names.by_itself``."""
    return report.Judged(
        _curves(names.about(named("average_precision"), metrics), threshold),
        _calibrations(names.about(named("calibration_error"), metrics)),
        _distributions(names.about(named("scored_pairs"), metrics)),
    )


def _curves(found: Metrics, threshold: float | None) -> list[report.Curve]:
    """Precision over recall, by pair of kinds, with the threshold in force."""
    return [
        report.Curve(
            formats.pair(about),
            **_detail(metric),
            average_precision=metric.value,
            chosen_threshold=threshold,
        )
        for about, metric in found.items()
    ]


def _calibrations(found: Metrics) -> list[report.Calibration]:
    """Observed over predicted, by pair of kinds."""
    shown = []
    for about, metric in found.items():
        bins = _detail(metric)
        low, high = bins["interval"]
        name, error = formats.pair(about), metric.value
        shown.append(
            report.Calibration(name, bins["probability"], bins["observed"], low, high, bins["count"], error)
        )
    return shown


def _distributions(found: Metrics) -> list[report.Distribution]:
    """How many true and false pairs have each probability, by pair of kinds."""
    bins = {about: _detail(metric) for about, metric in found.items()}
    return [
        report.Distribution(formats.pair(about), each["edges"], each["right"], each["wrong"])
        for about, each in bins.items()
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
            detail["not_ranked"],
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
        report.Stage("records", ingested["records"], f"{ingested['rejects']:,} inputs rejected"),
        report.Stage("items", ingested["items"], "images, texts and vectors"),
        report.Stage("features", extracted["features"], "vectors of all extractors"),
        report.Stage("embeddings", resolved["embedded"]),
    ]
    if "entities" not in resolved:
        return found
    possible = sum(_detail(m)["possible"] for m in names.about("blocking_reduction", metrics).values())
    remark = f"of {possible:,} possible pairs" if possible else ""
    if "new_or_changed" in resolved:
        remark = f"of {resolved['new_or_changed']:,} new or changed records"
    return [
        *found,
        report.Stage("candidate pairs", resolved["candidates"], remark),
        report.Stage("scored matches", resolved["scored_matches"], "above the review threshold"),
        report.Stage("entities", resolved["entities"]),
    ]


def facts(counts: Mapping[str, Mapping[str, int]], sources: Sequence[str]) -> dict[str, int]:
    """The totals at the top of the page."""
    found = {name: counts["ingest"][name] for name in ("records", "items", "rejects")}
    if "entities" in counts["resolve"]:
        found["entities"] = counts["resolve"]["entities"]
    return found | {"sources": len(sources)}


def shown(name: str, metric: Metric, note: str = "") -> report.Measure:
    return report.Measure(name, metric.value, metric.low, metric.high, note)


def _detail(metric: Metric) -> dict[str, Any]:
    return dict(metric.detail or {})
