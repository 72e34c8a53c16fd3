"""Retrieval between sources, and between the fields of one: small galleries with known answers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from xmer_spark.numerics.records import EMBEDDING, Records
from xmer_spark.steps.evaluate import ranking
from xmer_spark.steps.evaluate.held_out import HeldOut
from xmer_spark.steps.evaluate.intervals import Intervals
from xmer_spark.store.runs import Metric

INTERVALS = Intervals(samples=50, level=0.95, seed=0)
#: How alike all of some records and all of others are.
Alike = Callable[[Records, Records], np.ndarray]
#: Entity, class, and what embeds it.
Row = tuple[str, str | None, list[float]]

PHOTOS: list[Row] = [("cat", "pet", [1.0, 0.0]), ("dog", "pet", [0.8, 0.6]), ("horse", "farm", [0.0, 1.0])]
TEXTS: list[Row] = [("cat", "pet", [1.0, 0.0]), ("dog", "pet", [0.6, 0.8])]
#: As before, but the text of cat lies where the photograph of horse does.
CONFUSED: list[Row] = [("cat", "pet", [0.0, 1.0]), ("dog", "pet", [0.6, 0.8])]


def known_and_records(**sources: list[Row]) -> tuple[HeldOut, dict[str, Records]]:
    """Sources whose records have one content field, called ``content``."""
    rows = [(name, *row) for name, found in sources.items() for row in found]
    source, entity, label = (np.array([row[k] for row in rows], dtype=object) for k in range(3))
    key, vectors = np.arange(len(rows)), np.array([row[3] for row in rows])
    records = {
        name: Records(name, key[source == name], {f"content{EMBEDDING}": vectors[source == name]})
        for name in sources
    }
    return HeldOut(key, source, np.full(len(rows), "image", dtype=object), entity, label), records


def by_product(left: Records, right: Records) -> np.ndarray:
    found: np.ndarray = left.columns[f"content{EMBEDDING}"] @ right.columns[f"content{EMBEDDING}"].T
    return found


def inner_products(left: Records, right: Records) -> np.ndarray:
    """The same of records whose one field may be called otherwise."""
    (a,), (b,) = ranking.fields_of(left), ranking.fields_of(right)
    found: np.ndarray = left.columns[a + EMBEDDING] @ right.columns[b + EMBEDDING].T
    return found


def of_rows(alike: Alike) -> ranking.Similarity:
    return lambda left, right: lambda rows: alike(left, right)[rows]


def asked(truth: str = "entity", queries: int = 100) -> ranking.Question:
    return ranking.Question(truth, [1, 2], queries, INTERVALS)


def measured(
    question: ranking.Question | None = None,
    similarity: Alike = by_product,
    **sources: list[Row],
) -> dict[str, Metric]:
    known, records = known_and_records(**sources)
    found = list(ranking.between_sources(known, records, of_rows(similarity), question or asked()))
    assert len({metric.name for metric in found}) == len(found)
    return {metric.name: metric for metric in found}


def test_recall_and_precision_are_those_of_the_ranking_by_hand() -> None:
    found = measured(photos=PHOTOS, texts=TEXTS)
    assert found["recall_at_1/photos/texts"].value == found["map/photos/texts"].value == 1.0
    # The photograph of cat has dog's text first and its own second; that of dog has its own first.
    found = measured(photos=PHOTOS, texts=CONFUSED)
    assert found["recall_at_1/photos/texts"].value == 0.5
    assert found["recall_at_2/photos/texts"].value == 1.0
    assert found["map/photos/texts"].value == pytest.approx((1 / 2 + 1) / 2)


def test_a_query_without_a_true_match_does_not_count_but_is_in_the_gallery() -> None:
    found = measured(photos=PHOTOS, texts=TEXTS)
    assert found["map/photos/texts"].detail == {"queries": 2, "gallery": 2, "not_ranked": 0}
    assert found["map/texts/photos"].detail == {"queries": 2, "gallery": 3, "not_ranked": 0}


def test_of_too_many_queries_the_first_are_ranked_in_the_whole_gallery_and_the_rest_is_told() -> None:
    found = measured(asked(queries=1), photos=PHOTOS, texts=TEXTS)
    assert found["map/photos/texts"].detail == {"queries": 1, "gallery": 2, "not_ranked": 2}


def test_with_classes_as_truth_all_of_a_class_are_sought() -> None:
    found = measured(asked("label"), photos=PHOTOS, texts=TEXTS)
    assert found["recall_at_1/photos/texts"].value == 0.5
    assert found["recall_at_2/photos/texts"].value == 1.0


def test_the_interval_holds_the_value_and_is_of_entities() -> None:
    metric = measured(photos=PHOTOS, texts=CONFUSED)["recall_at_1/photos/texts"]
    assert (metric.low, metric.value, metric.high) == (0.0, 0.5, 1.0)


def test_every_two_sources_are_ranked_both_ways() -> None:
    found = measured(photos=PHOTOS, drawings=PHOTOS, texts=TEXTS)
    directions = {name.removeprefix("map/") for name in found if name.startswith("map/")}
    assert len(directions) == 6
    assert {"photos/drawings", "drawings/texts", "texts/photos"} < directions


def test_a_direction_without_any_true_match_is_left_out() -> None:
    assert measured(photos=PHOTOS, texts=[("fish", "pet", [1.0, 0.0])]) == {}


def test_what_cannot_be_compared_comes_last_and_is_no_excuse() -> None:
    def dogs_alone(left: Records, right: Records) -> np.ndarray:
        is_dog = [side.columns[f"content{EMBEDDING}"][:, 1] > 0 for side in (left, right)]
        return np.where(np.logical_and.outer(*is_dog), 1.0, -np.inf)

    found = measured(similarity=dogs_alone, photos=PHOTOS[:2], texts=TEXTS)
    assert found["recall_at_1/photos/texts"].value == 0.5
    assert found["map/photos/texts"].value == pytest.approx((1 / 2 + 1) / 2)


def test_a_direction_in_which_nothing_can_be_compared_is_left_out() -> None:
    def never(left: Records, right: Records) -> np.ndarray:
        return np.full((len(left), len(right)), -np.inf)

    assert measured(similarity=never, photos=PHOTOS, texts=TEXTS) == {}


def upside_down(left: Records, right: Records) -> np.ndarray:
    return -by_product(left, right)


def test_what_the_space_is_worth_by_itself_ignores_how_records_are_compared() -> None:
    found = measured(similarity=upside_down, photos=PHOTOS, texts=TEXTS)
    assert found["map_of_space/photos/texts"].value == 1.0
    assert found["map/photos/texts"].value == 0.5


def test_the_space_is_judged_by_the_records_that_have_a_place_in_it() -> None:
    nowhere: Row = ("cow", "farm", [np.nan, np.nan])

    def present(left: Records, right: Records) -> np.ndarray:
        return np.nan_to_num(by_product(left, right), nan=-1.0)

    found = measured(similarity=present, photos=[*PHOTOS, nowhere], texts=[*TEXTS, nowhere])
    assert found["map_of_space/photos/texts"].value == 1.0
    assert found["map/photos/texts"].detail == {"queries": 3, "gallery": 3, "not_ranked": 0}


def test_the_space_is_not_judged_by_itself_where_a_side_has_several_fields_or_none() -> None:
    known, records = known_and_records(photos=PHOTOS, texts=TEXTS)
    photos, texts = records["photos"], records["texts"]
    sides = {
        "two": Records("texts", texts.keys, {**texts.columns, f"more{EMBEDDING}": by_product(texts, texts)}),
        "none": Records("texts", texts.keys, {"name": np.array(["cat", "dog"], dtype=object)}),
    }

    def by_number(left: Records, right: Records) -> np.ndarray:
        return np.eye(len(left), len(right))

    for side in sides.values():
        found = list(
            ranking.between_sources(known, {"photos": photos, "texts": side}, of_rows(by_number), asked())
        )
        assert "map/photos/texts" in {metric.name for metric in found}
        assert not [metric for metric in found if metric.name.startswith("map_of_space")]


def test_fields_of_one_source_rank_each_other_by_the_inner_product_and_by_class() -> None:
    labels = np.array(["pet", "pet", "farm"], dtype=object)
    known = HeldOut(np.arange(3), *[np.full(3, "wiki", dtype=object)] * 2, np.full(3, None), labels)
    photo = np.array([[1.0, 0.0], [0.8, 0.6], [np.nan, np.nan]])
    text = np.array([[0.6, 0.8], [0.0, 1.0], [1.0, 0.0]])
    records = Records("wiki", np.arange(3), {f"photo{EMBEDDING}": photo, f"text{EMBEDDING}": text})
    found = {
        m.name: m
        for m in ranking.between_fields(known, {"wiki": records}, of_rows(inner_products), asked("label"))
    }
    # Of two photographs the first has the farm's text first, the second one of a pet's; the third has none.
    assert found["recall_at_1/wiki#photo/wiki#text"].value == pytest.approx((0 + 1 / 2) / 2)
    assert found["map/wiki#photo/wiki#text"].value == pytest.approx(
        ((1 / 2 + 2 / 3) / 2 + (1 + 2 / 3) / 2) / 2
    )
    assert found["map/wiki#photo/wiki#text"].detail == {"queries": 2, "gallery": 3, "not_ranked": 0}
    assert found["map/wiki#text/wiki#photo"].detail == {"queries": 2, "gallery": 2, "not_ranked": 0}


def test_the_first_results_classes_are_counted_by_the_querys_class() -> None:
    true, found = np.array(["pet", "pet", "farm"]), np.array(["pet", "farm", "farm"])
    (metric,) = ranking.first_result("a/b", true, found)
    assert metric.name == "first_result_class_accuracy/a/b"
    assert metric.value == pytest.approx(2 / 3)
    assert metric.detail == {"classes": ["farm", "pet"], "counts": [[1, 0], [1, 1]]}


def test_where_a_class_is_unknown_first_results_are_not_counted() -> None:
    known = np.array(["pet", None], dtype=object)
    assert list(ranking.first_result("a/b", known, np.array(["pet", "pet"], dtype=object))) == []
