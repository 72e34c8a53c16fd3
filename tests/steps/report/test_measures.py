"""What the page shows of metrics: from rows by hand, and from what evaluate measures of arrays."""

from __future__ import annotations

import json
from itertools import permutations

import numpy as np
import pytest

from xmer_spark.names import direction_name
from xmer_spark.report import data as report
from xmer_spark.report import render
from xmer_spark.steps.evaluate import blocking, clusters, probabilities, ranking
from xmer_spark.steps.evaluate.held_out import HeldOut, Resolved
from xmer_spark.steps.evaluate.intervals import Intervals
from xmer_spark.steps.report import measures
from xmer_spark.store.runs import Metric

#: Names that the configuration allows, and that a careless split would break.
MODALITY = {"a_to_b": "image", "b": "image", "x-y": "text", "to_": "text"}


def rows(*found: Metric) -> dict[str, Metric]:
    return {metric.name: metric for metric in found}


def values(name: str, **about: float) -> list[Metric]:
    return [
        Metric(f"{name}/{pair.replace('_', '-')}", value, value - 0.1, value + 0.1)
        for pair, value in about.items()
    ]


COUNTS = {
    "ingest": {"items": 1200, "rejects": 34},
    "extract": {"features": 2400},
    "resolve": {"embedded": 1200, "candidates": 500, "scored_matches": 90, "entities": 600},
}


def test_the_headline_is_of_clusters_one_direction_per_modality_pair_and_the_worst() -> None:
    metrics = rows(
        *values("pair_f1", all=0.4, image_text=0.2),
        *values("bcubed_f1", all=0.6),
        Metric("recall_at_10/b/x-y", 0.5, 0.4, 0.6),
        Metric("recall_at_10/a_to_b/x-y", 0.7, 0.6, 0.8),
        Metric("recall_at_10/x-y/a_to_b", 0.3, 0.2, 0.4),
        Metric("recall_at_1/a_to_b/x-y", 0.1, 0.0, 0.2),
        *values("calibration_error", image_text=0.01, text_text=0.2),
        *values("blocking_recall", image_text=0.9, text_text=0.95),
    )
    shown = measures.headline(metrics, MODALITY, [1, 10])
    assert [(m.name, m.value, m.note) for m in shown] == [
        ("Pair F1", 0.4, "held-out entities"),
        ("B-cubed F1", 0.6, "held-out entities"),
        ("Recall@10 image → text", 0.7, "a_to_b → x-y"),
        ("Recall@10 text → image", 0.3, "x-y → a_to_b"),
        ("Calibration error", 0.2, "the worst: text – text"),
        ("Blocking recall", 0.9, "the worst: image – text"),
    ]
    assert (shown[2].low, shown[2].high) == (0.6, 0.8)


def test_without_entities_the_headline_is_mean_average_precision() -> None:
    shown = measures.headline(
        rows(Metric("map/b/x-y", 0.5), Metric("recall_at_10/b/x-y", 0.9)), MODALITY, [10]
    )
    assert [(m.name, m.value, m.low) for m in shown] == [("MAP image → text", 0.5, None)]


def test_what_limits_the_result_is_the_modality_pair_of_the_lowest_f1() -> None:
    metrics = rows(
        *values("pair_f1", all=0.1, image_text=0.2, text_text=0.7),
        *values("pair_recall", all=0.9, image_text=0.15, text_text=0.8),
        *values("pair_precision", all=0.9, image_text=0.3, text_text=0.6),
    )
    assert measures.limits(metrics) == (
        "The weakest links are between image and text: 15% of these true pairs are found, "
        "and 30% of those found are right."
    )
    assert measures.limits(rows(*values("pair_f1", all=0.5))) == ""


def test_a_curve_has_the_threshold_in_force_where_there_is_one() -> None:
    detail = {"threshold": [0.9, 0.1], "precision": [1.0, 0.5], "recall": [0.2, 0.6]}
    metrics = rows(
        Metric("average_precision/image-text", 0.45, detail=detail),
        Metric("average_precision/text-text", 0.5, detail=detail),
        Metric("threshold/image-text", 0.3),
    )
    first, second = measures.curves(metrics)
    assert first == report.Curve("image – text", [0.9, 0.1], [1.0, 0.5], [0.2, 0.6], 0.45, 0.3)
    assert second.chosen_threshold is None


def test_bins_and_histograms_are_taken_over_as_they_were_measured() -> None:
    bins = {"probability": [0.1], "observed": [0.2], "interval": [[0.05], [0.3]], "count": [7]}
    histogram = {"edges": [0.0, 0.5, 1.0], "right": [0, 4], "wrong": [9, 1]}
    metrics = rows(
        Metric("calibration_error/image-text", 0.1, detail=bins),
        Metric("scored_pairs/image-text", 14.0, detail=histogram),
    )
    assert measures.calibrations(metrics) == [
        report.Calibration("image – text", [0.1], [0.2], [0.05], [0.3], [7], 0.1)
    ]
    assert measures.distributions(metrics) == [
        report.Distribution("image – text", [0.0, 0.5, 1.0], [0, 4], [9, 1])
    ]


def test_a_ranking_has_its_own_directions_recalls_and_no_others() -> None:
    metrics = rows(
        Metric("map/a_to_b/b", 0.5, 0.4, 0.6, {"queries": 3, "gallery": 4}),
        Metric("map_of_space/a_to_b/b", 0.3),
        Metric("recall_at_1/a_to_b/b", 0.2, 0.1, 0.3),
        Metric("recall_at_10/a_to_b/b", 0.9, 0.8, 1.0),
        Metric("recall_at_1/b/a_to_b", 0.7, 0.6, 0.8),
    )
    (shown,) = measures.rankings(metrics, [1, 10])
    assert (shown.direction, shown.queries, shown.gallery) == ("a_to_b → b", 3, 4)
    assert {k: m.value for k, m in shown.recall.items()} == {1: 0.2, 10: 0.9}
    assert shown.mean_average_precision == report.Measure("MAP", 0.5, 0.4, 0.6)


def test_the_classes_of_first_results_keep_their_order() -> None:
    detail = {"classes": ["farm", "pet"], "counts": [[1, 2], [0, 3]]}
    (shown,) = measures.confusions(rows(Metric("first_result_class_accuracy/b/to_", 0.6, detail=detail)))
    assert (shown.direction, shown.classes, shown.counts.tolist()) == (
        "b → to_",
        ["farm", "pet"],
        [[1, 2], [0, 3]],
    )


def test_the_stages_end_with_entities_where_there_are_any() -> None:
    spared = [
        Metric(f"blocking_reduction/{pair}", 0.5, detail={"possible": 1000})
        for pair in ("image-text", "text-text")
    ]
    shown = measures.stages(COUNTS, rows(*spared))
    assert [(stage.name, stage.count) for stage in shown] == [
        ("items", 1200),
        ("features", 2400),
        ("embeddings", 1200),
        ("candidate pairs", 500),
        ("scored matches", 90),
        ("entities", 600),
    ]
    assert (shown[0].note, shown[3].note) == ("34 rejected", "of 2,000 possible pairs")
    by_class = {**COUNTS, "resolve": {"embedded": 1200}}
    assert [stage.name for stage in measures.stages(by_class, {})] == ["items", "features", "embeddings"]


def test_the_totals_name_entities_only_where_they_were_formed() -> None:
    assert measures.facts(COUNTS, ["a", "b"]) == {"items": 1200, "rejects": 34, "entities": 600, "sources": 2}
    by_class = {**COUNTS, "resolve": {"embedded": 1200}}
    assert measures.facts(by_class, ["a"]) == {"items": 1200, "rejects": 34, "sources": 1}


@pytest.fixture(scope="module")
def measured() -> dict[str, Metric]:
    """All that evaluate measures of twenty entities, once in every source, as the table gives it back."""
    random = np.random.default_rng(0)
    entity = np.tile([f"e{n}" for n in range(20)], len(MODALITY)).astype(object)
    source = np.repeat(list(MODALITY), 20).astype(object)
    modality = np.array([MODALITY[name] for name in source], dtype=object)
    key = np.arange(len(source))
    embeddings = np.tile(random.standard_normal((20, 4)), (len(MODALITY), 1))
    embeddings += random.standard_normal(embeddings.shape)
    label = np.where(np.char.endswith(entity.astype(str), "1"), "odd", "even").astype(object)
    known = HeldOut(
        key, source, modality, key.astype(str), entity, label, embeddings, np.zeros((len(key), 1), np.uint64)
    )
    intervals = Intervals(20, 0.95, 0)
    pairs = ["image-image", "image-text", "text-text"]
    found = list(ranking.metrics(known, lambda a, x, b, y: x @ y.T, pairs, "entity", [1, 10], intervals))
    cluster = np.where(random.random(len(key)) < 0.7, entity, key.astype(str))
    found += clusters.metrics(Resolved(cluster, entity, known.record, modality, key < 50), intervals)
    sizes = dict.fromkeys(MODALITY, 20)
    for pair in pairs:
        probability = random.random(50)
        right = random.random(50) < probability
        found += probabilities.metrics(pair, probability, right, int(right.sum()) + 3, 0.4, 0.95)
        found += blocking.kept(pair, right, 0.95)
        found.append(blocking.spared(pair, {("a_to_b", "b"): 30}, sizes))
    found = [Metric(m.name, m.value, m.low, m.high, json.loads(json.dumps(m.detail))) for m in found]
    return {metric.name: metric for metric in found}


def test_whatever_sources_are_called_evaluates_metrics_reach_the_page(measured: dict[str, Metric]) -> None:
    directions = {f"{a} → {b}" for a, b in permutations(MODALITY, 2)}
    assert {row.direction for row in measures.rankings(measured, [1, 10])} == directions
    assert {matrix.direction for matrix in measures.confusions(measured)} == directions
    for shown in (
        measures.curves(measured),
        measures.calibrations(measured),
        measures.distributions(measured),
    ):
        assert [each.name for each in shown] == ["image – image", "image – text", "text – text"]
    titles = [measure.name for measure in measures.headline(measured, MODALITY, [1, 10])]
    assert titles[:6] == [
        "Pair F1",
        "B-cubed F1",
        "Recall@10 image → image",
        "Recall@10 image → text",
        "Recall@10 text → image",
        "Recall@10 text → text",
    ]
    assert f"recall_at_10/{direction_name('a_to_b', 'x-y')}" in measured


def test_the_page_that_shows_them_names_every_direction(measured: dict[str, Metric]) -> None:
    page = render(
        report.ReportData(
            "Names", "today", {}, report.Provenance("r", "1", "w", {"metrics": 1}),
            measures=measures.headline(measured, MODALITY, [1, 10]),
            rankings=measures.rankings(measured, [1, 10]),
            curves=measures.curves(measured),
        )
    )  # fmt: skip
    for a, b in permutations(MODALITY, 2):
        assert f'<th scope="row">{a} → {b}</th>' in page
