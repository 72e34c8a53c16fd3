"""Retrieval between sources: small galleries with known answers."""

from __future__ import annotations

import numpy as np
import pytest

from xmer_spark.steps.evaluate import ranking
from xmer_spark.steps.evaluate.held_out import HeldOut
from xmer_spark.steps.evaluate.intervals import Intervals
from xmer_spark.store.runs import Metric

INTERVALS = Intervals(samples=50, level=0.95, seed=0)


def held_out(**sources: tuple[str, list[tuple[str, str | None, list[float]]]]) -> HeldOut:
    """Sources with their modality and items: (entity, label, embedding) each."""
    rows = [(name, kind, *item) for name, (kind, found) in sources.items() for item in found]
    source, modality, entity, label = (np.array([r[k] for r in rows], dtype=object) for k in range(4))
    embeddings = np.array([row[4] for row in rows])
    keys, codes = np.arange(len(rows)), np.zeros((len(rows), 1), np.uint64)
    return HeldOut(keys, source, modality, keys.astype(str), entity, label, embeddings, codes)


def by_product(a: str, x: np.ndarray, b: str, y: np.ndarray) -> np.ndarray:
    return x @ y.T


def measured(
    known: HeldOut, truth: str = "entity", similarity: ranking.Similarity = by_product
) -> dict[str, Metric]:
    found = list(ranking.metrics(known, similarity, ["image-text"], truth, [1, 2], INTERVALS))
    assert len({metric.name for metric in found}) == len(found)
    return {metric.name: metric for metric in found}


PHOTOS = ("image", [("cat", "pet", [1.0, 0.0]), ("dog", "pet", [0.8, 0.6]), ("horse", "farm", [0.0, 1.0])])
TEXTS = ("text", [("cat", "pet", [1.0, 0.0]), ("dog", "pet", [0.6, 0.8])])
#: As before, but the text of cat lies where the photograph of horse does.
CONFUSED = ("text", [("cat", "pet", [0.0, 1.0]), ("dog", "pet", [0.6, 0.8])])


def test_recall_and_precision_are_those_of_the_ranking_by_hand() -> None:
    found = measured(held_out(photos=PHOTOS, texts=TEXTS))
    assert found["recall_at_1/photos/texts"].value == found["map/photos/texts"].value == 1.0
    # The photograph of cat has dog's text first and its own second; that of dog has its own first.
    found = measured(held_out(photos=PHOTOS, texts=CONFUSED))
    assert found["recall_at_1/photos/texts"].value == 0.5
    assert found["recall_at_2/photos/texts"].value == 1.0
    assert found["map/photos/texts"].value == pytest.approx((1 / 2 + 1) / 2)


def test_a_query_without_a_true_match_does_not_count_but_is_in_the_gallery() -> None:
    found = measured(held_out(photos=PHOTOS, texts=TEXTS))
    assert found["map/photos/texts"].detail == {"queries": 2, "gallery": 2}
    assert found["map/texts/photos"].detail == {"queries": 2, "gallery": 3}


def test_with_classes_as_truth_all_of_a_class_are_sought() -> None:
    found = measured(held_out(photos=PHOTOS, texts=TEXTS), truth="label")
    assert found["recall_at_1/photos/texts"].value == 0.5
    assert found["recall_at_2/photos/texts"].value == 1.0


def test_the_interval_holds_the_value_and_is_of_entities() -> None:
    metric = measured(held_out(photos=PHOTOS, texts=CONFUSED))["recall_at_1/photos/texts"]
    assert (metric.low, metric.value, metric.high) == (0.0, 0.5, 1.0)


def test_only_pairs_of_modalities_that_can_be_scored_are_ranked() -> None:
    known = held_out(photos=PHOTOS, drawings=PHOTOS, texts=TEXTS)
    directions = {name.partition("/")[2] for name in measured(known)}
    assert directions == {"photos/texts", "texts/photos", "drawings/texts", "texts/drawings"}


def test_a_direction_without_any_true_match_is_left_out() -> None:
    strangers = ("text", [("fish", "pet", [1.0, 0.0])])
    assert measured(held_out(photos=PHOTOS, texts=strangers)) == {}


def test_what_the_space_is_worth_by_itself_ignores_the_scorer() -> None:
    known = held_out(photos=PHOTOS, texts=TEXTS)

    def upside_down(a: str, x: np.ndarray, b: str, y: np.ndarray) -> np.ndarray:
        return -x @ y.T

    found = measured(known, similarity=upside_down)
    assert found["map_of_space/photos/texts"].value == 1.0
    assert found["map/photos/texts"].value == 0.5


def test_the_first_results_classes_are_counted_by_the_querys_class() -> None:
    true, found = np.array(["pet", "pet", "farm"]), np.array(["pet", "farm", "farm"])
    (metric,) = ranking.first_result("a/b", true, found)
    assert metric.name == "first_result_class_accuracy/a/b"
    assert metric.value == pytest.approx(2 / 3)
    assert metric.detail == {"classes": ["farm", "pet"], "counts": [[1, 0], [1, 1]]}


def test_where_a_class_is_unknown_first_results_are_not_counted() -> None:
    known = np.array(["pet", None], dtype=object)
    assert list(ranking.first_result("a/b", known, np.array(["pet", "pet"], dtype=object))) == []
