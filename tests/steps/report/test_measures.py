"""What the page shows of metrics: from rows by hand, and from what evaluate measures of arrays."""

from __future__ import annotations

import json
from itertools import combinations, permutations

import numpy as np
import pytest

from xmer_spark.config import Field, Source
from xmer_spark.evaluation.ranking import Similarity
from xmer_spark.names import by_itself, direction_name, pair_name
from xmer_spark.numerics.records import Records
from xmer_spark.report import data as report
from xmer_spark.report import formats, render
from xmer_spark.steps.evaluate import blocking, clusters, probabilities, ranking
from xmer_spark.steps.evaluate.held_out import HeldOut, Resolved, Scored
from xmer_spark.steps.evaluate.intervals import Intervals
from xmer_spark.steps.report import measures
from xmer_spark.steps.report.collect import kinds
from xmer_spark.store.runs import Metric

#: Names that the configuration allows, and that a careless split would break.
KIND = {"a_to_b": "image", "b": "image+text", "x-y": "text", "to_": "row"}


def rows(*found: Metric) -> dict[str, Metric]:
    return {metric.name: metric for metric in found}


def values(name: str, **about: float) -> list[Metric]:
    return [
        Metric(f"{name}/{pair.replace('_', '-')}", value, value - 0.1, value + 0.1)
        for pair, value in about.items()
    ]


HELD_OUT = Metric("held_out_records", 60.0)
COUNTS = {
    "ingest": {"records": 1000, "items": 1200, "rejects": 34},
    "extract": {"features": 2400},
    "resolve": {"embedded": 1200, "candidates": 500, "scored_matches": 90, "entities": 600},
}


def test_the_headline_is_of_clusters_one_direction_per_pair_of_kinds_and_the_worst() -> None:
    metrics = rows(
        *values("pair_f1", all=0.4, image_text=0.2),
        *values("bcubed_f1", all=0.6),
        Metric("recall_at_10/b/x-y", 0.5, 0.4, 0.6),
        Metric("recall_at_10/a_to_b/x-y", 0.7, 0.6, 0.8),
        Metric("recall_at_10/x-y/a_to_b", 0.3, 0.2, 0.4),
        Metric("recall_at_1/a_to_b/x-y", 0.1, 0.0, 0.2),
        *values("calibration_error", image_text=0.01, text_text=0.2),
        Metric("blocking_recall/a_to_b/x-y", 0.9),
        Metric("blocking_recall/to_/x-y", 0.95),
    )
    shown = measures.headline(metrics, KIND | {"b": "image"}, [1, 10])
    assert [(m.name, m.value, m.note) for m in shown] == [
        ("Pair F1", 0.4, "held-out entities"),
        ("B-cubed F1", 0.6, "held-out entities"),
        ("Recall@10 image → text", 0.7, "a_to_b → x-y"),
        ("Recall@10 text → image", 0.3, "x-y → a_to_b"),
        ("Calibration error", 0.2, "the worst: text – text"),
        ("Blocking recall", 0.9, "the worst: a_to_b – x-y"),
    ]
    assert (shown[2].low, shown[2].high) == (0.6, 0.8)


def test_without_entities_the_headline_is_mean_average_precision() -> None:
    found = rows(Metric("map/b/x-y", 0.5), Metric("recall_at_10/b/x-y", 0.9))
    shown = measures.headline(found, KIND, [10])
    assert [(m.name, m.value, m.low) for m in shown] == [("MAP image with text → text", 0.5, None)]


def test_fields_of_one_source_have_directions_of_their_own() -> None:
    kinds = {"wiki": "image+text", "wiki#photo": "image", "wiki#article": "text"}
    found = rows(Metric("map/wiki#photo/wiki#article", 0.5), Metric("map/wiki#article/wiki#photo", 0.4))
    assert [(m.name, m.note) for m in measures.headline(found, kinds, [10])] == [
        ("MAP text → image", "wiki article → wiki photo"),
        ("MAP image → text", "wiki photo → wiki article"),
    ]


def test_sources_and_their_fields_have_the_kinds_of_what_they_hold() -> None:
    contents = {"photo": Field(type="image"), "title": Field(type="text"), "price": Field(type="number")}
    shop = Source(name="shop", kind="csv", path="shop.csv", key="sku", fields=contents)
    table = Source(name="table", kind="csv", path="table.csv", key="sku", fields={"price": contents["price"]})
    photos = Source(name="photos", kind="images", path="photos")
    assert kinds([shop, table, photos]) == {
        "shop": "image+text", "shop#photo": "image", "shop#title": "text", "table": "row",
        "photos": "image", "photos#image": "image",
    }  # fmt: skip


def test_what_limits_the_result_is_the_pair_of_kinds_of_the_lowest_f1() -> None:
    metrics = rows(
        HELD_OUT,
        *values("pair_f1", all=0.1, image_text=0.2, text_text=0.7),
        *values("pair_recall", all=0.9, image_text=0.15, text_text=0.8),
        *values("pair_precision", all=0.9, image_text=0.3, text_text=0.6),
    )
    assert measures.limits(metrics) == (
        "The weakest links are between image and text: 15% of these true pairs are found, "
        "and 30% of those found are right."
    )
    assert measures.limits(rows(HELD_OUT, *values("pair_f1", all=0.5))) == ""
    assert "nothing is measured" in measures.limits(rows(Metric("held_out_records", 0.0)))


def test_curves_bins_and_histograms_are_taken_over_as_they_were_measured() -> None:
    curve = {"threshold": [0.9, 0.1], "precision": [1.0, 0.5], "recall": [0.2, 0.6]}
    bins = {"probability": [0.1], "observed": [0.2], "interval": [[0.05], [0.3]], "count": [7]}
    histogram = {"edges": [0.0, 0.5, 1.0], "right": [0, 4], "wrong": [9, 1]}
    metrics = rows(
        Metric("average_precision/image-row", 0.45, detail=curve),
        Metric("calibration_error/image-row", 0.1, detail=bins),
        Metric("scored_pairs/image-row", 14.0, detail=histogram),
        Metric("average_precision_by_itself/image-row", 0.25, detail=curve),
    )
    decided = measures.judged(metrics, str, 0.5)
    assert decided.curves == [report.Curve("image – row", [0.9, 0.1], [1.0, 0.5], [0.2, 0.6], 0.45, 0.5)]
    assert decided.calibrations == [report.Calibration("image – row", [0.1], [0.2], [0.05], [0.3], [7], 0.1)]
    assert decided.distributions == [report.Distribution("image – row", [0.0, 0.5, 1.0], [0, 4], [9, 1])]
    alone = measures.judged(metrics, by_itself)
    assert [(c.average_precision, c.chosen_threshold) for c in alone.curves] == [(0.25, None)]
    assert (alone.calibrations, alone.distributions) == ([], [])


def test_a_ranking_has_its_own_directions_recalls_and_no_others() -> None:
    metrics = rows(
        Metric("map/a_to_b/b", 0.5, 0.4, 0.6, {"queries": 3, "gallery": 4, "not_ranked": 5}),
        Metric("map_of_space/a_to_b/b", 0.3),
        Metric("recall_at_1/a_to_b/b", 0.2, 0.1, 0.3),
        Metric("recall_at_10/a_to_b/b", 0.9, 0.8, 1.0),
        Metric("recall_at_1/b/a_to_b", 0.7, 0.6, 0.8),
    )
    (shown,) = measures.rankings(metrics, [1, 10])
    assert (shown.direction, shown.queries, shown.gallery) == ("a_to_b → b", 3, 4)
    assert shown.not_ranked == 5
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
        Metric(f"blocking_reduction/{pair}", 0.5, detail={"possible": 1000}) for pair in ("a_to_b/b", "b/to_")
    ]
    shown = measures.stages(COUNTS, rows(*spared))
    assert [(stage.name, stage.count) for stage in shown] == [
        ("records", 1000),
        ("items", 1200),
        ("features", 2400),
        ("embeddings", 1200),
        ("candidate pairs", 500),
        ("scored matches", 90),
        ("entities", 600),
    ]
    assert (shown[0].note, shown[4].note) == ("34 inputs rejected", "of 2,000 possible pairs")
    by_class = {**COUNTS, "resolve": {"embedded": 1200}}
    assert [stage.name for stage in measures.stages(by_class, {})] == [
        "records", "items", "features", "embeddings",
    ]  # fmt: skip


def test_the_totals_name_entities_only_where_they_were_formed() -> None:
    assert measures.facts(COUNTS, ["a", "b"]) == {
        "records": 1000, "items": 1200, "rejects": 34, "entities": 600, "sources": 2,
    }  # fmt: skip
    by_class = {**COUNTS, "resolve": {"embedded": 1200}}
    assert measures.facts(by_class, ["a"]) == {
        "records": 1000, "items": 1200, "rejects": 34, "sources": 1,
    }  # fmt: skip


@pytest.fixture(scope="module")
def measured() -> dict[str, Metric]:
    """All that evaluate measures of twenty entities, once in every source, as the table gives it back."""
    random = np.random.default_rng(0)
    entity = np.tile([f"e{n}" for n in range(20)], len(KIND)).astype(object)
    source = np.repeat(list(KIND), 20).astype(object)
    kind = np.array([KIND[name] for name in source], dtype=object)
    key = np.arange(len(source))
    embeddings = np.tile(random.standard_normal((20, 4)), (len(KIND), 1))
    embeddings += random.standard_normal(embeddings.shape)
    label = np.where(np.char.endswith(entity.astype(str), "1"), "odd", "even").astype(object)
    known = HeldOut(key, source, kind, entity, label)
    records = {n: Records(n, key[source == n], {"a/embedding": embeddings[source == n]}) for n in KIND}
    intervals = Intervals(20, 0.95, 0)

    def similarity(left: Records, right: Records) -> Similarity:
        return lambda rows: left.columns["a/embedding"][rows] @ right.columns["a/embedding"].T

    question = ranking.Question("entity", [1, 10], 100, intervals)
    found = [HELD_OUT, *ranking.between_sources(known, records, similarity, question)]
    cluster = np.where(random.random(len(key)) < 0.7, entity, key.astype(str))
    found += clusters.metrics(Resolved(cluster, entity, kind, key < 50), intervals)
    for pair in known.count_true_pairs(set(KIND)):
        probability = random.random(50)
        right = random.random(50) < probability
        scored = Scored(*[np.full(50, "")] * 2, probability, probability**2, right)
        found += probabilities.metrics(pair, scored, int(right.sum()) + 3, 0.95)
    found += [blocking.spared(direction_name(a, b), 30, 400) for a, b in combinations(KIND, 2)]
    found = [Metric(m.name, m.value, m.low, m.high, json.loads(json.dumps(m.detail))) for m in found]
    return {metric.name: metric for metric in found}


def test_whatever_sources_are_called_evaluates_metrics_reach_the_page(measured: dict[str, Metric]) -> None:
    directions = {f"{a} → {b}" for a, b in permutations(KIND, 2)}
    assert {row.direction for row in measures.rankings(measured, [1, 10])} == directions
    assert {matrix.direction for matrix in measures.confusions(measured)} == directions
    pairs = {formats.pair(pair_name(KIND[a], KIND[b])) for a, b in combinations(KIND, 2)}
    for judged in (measures.judged(measured, str, 0.5), measures.judged(measured, by_itself)):
        for shown in (judged.curves, judged.calibrations, judged.distributions):
            assert {each.name for each in shown} == pairs
    titles = [measure.name for measure in measures.headline(measured, KIND, [1, 10])]
    assert titles[:2] == ["Pair F1", "B-cubed F1"]
    assert "Recall@10 image with text → row" in titles
    assert len(titles) == 2 + len(directions) + 2
    assert f"recall_at_10/{direction_name('a_to_b', 'x-y')}" in measured


def test_a_part_of_the_page_is_by_pairs_of_kinds_and_by_what_entities_hold(
    measured: dict[str, Metric],
) -> None:
    first, *others = measures.by_kinds(measured)
    assert (first.name, first.measures[2].value) == ("all", measured["pair_f1/all"].value)
    assert {"image – image with text", "row – text"} <= {row.name for row in others}
    assert [measure.name for measure in first.measures] == ["Precision", "Recall", "Pair F1", "B-cubed F1"]
    # Of a_to_b and b all twenty are held out, of x-y the first ten, of to_ none.
    holding = {row.name: row.entities for row in measures.by_holding(measured)}
    assert holding == {"image, image with text": 10, "image, image with text, text": 10}


def test_the_page_that_shows_them_names_every_direction(measured: dict[str, Metric]) -> None:
    page = render(
        report.ReportData(
            "Names", "today", {}, report.Provenance("r", "1", "w", {"metrics": 1}),
            measures=measures.headline(measured, KIND, [1, 10]),
            by_kinds=measures.by_kinds(measured),
            by_holding=measures.by_holding(measured),
            rankings=measures.rankings(measured, [1, 10]),
            decided=measures.judged(measured, str, 0.5),
        )
    )  # fmt: skip
    for a, b in permutations(KIND, 2):
        assert f'<th scope="row">{a} → {b}</th>' in page
