"""Matches beside their rivals: those of two sources are decided together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from xmer_spark.clustering.competition import decide
from xmer_spark.comparisons.comparer import Comparer
from xmer_spark.resolver.model import Resolver
from xmer_spark.resolver.stage import SCORED_PAIRS
from xmer_spark.scoring.calibration import Correction
from xmer_spark.scoring.scorer import PairScorer
from xmer_spark.steps.resolve.deciding import decided, kept

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROWS, IMAGES = 0, 5
#: Left and right key, their sources, the probability and the kind of the pair. Keys have no order by source.
SCORED = [
    (1, 11, "a", "b", 0.9, ROWS),
    (1, 12, "a", "b", 0.6, ROWS),
    (2, 12, "a", "b", 0.7, ROWS),
    (3, 13, "b", "a", 0.5, IMAGES),
    (2, 21, "a", "c", 0.8, ROWS),
    (2, 22, "a", "c", 0.8, ROWS),
    (11, 21, "b", "c", 0.4, ROWS),
    (31, 32, "c", "c", 0.7, ROWS),
    (31, 33, "c", "c", 0.7, ROWS),
]


def asked(
    spark: SparkSession,
    alone: set[str],
    partitions: int = 2,
    correction: Correction | None = None,
    parts: int = 1,
) -> dict[tuple[int, int], float]:
    rows = [(*row, {"title~title/equal": 1.0}) for row in SCORED]
    frame = spark.createDataFrame(rows, SCORED_PAIRS).repartition(partitions)
    resolver = Resolver(
        None, Comparer({}, {}), PairScorer("logistic"), {}, {}, {}, correction=correction or {}
    )
    found = decided(frame, resolver, alone, parts).collect()
    assert len(found) == len(SCORED)
    return {(row.left_key, row.right_key): row.decided for row in found}


def test_pairs_of_two_sources_are_weighed_against_each_other_and_no_others(spark: SparkSession) -> None:
    found = asked(spark, {"a", "b"})
    a, b = np.array([1, 1, 2, 13]), np.array([11, 12, 12, 3])
    expected = decide(a, b, np.array([0.9, 0.6, 0.7, 0.5]))
    keys = [(1, 11), (1, 12), (2, 12), (3, 13)]
    np.testing.assert_allclose([found[key] for key in keys], expected, atol=1e-6)
    one_side = decide(np.array([2, 2]), np.array([21, 22]), np.array([0.8, 0.8]), True, False)
    np.testing.assert_allclose([found[2, 21], found[2, 22]], one_side, atol=1e-6)
    assert found[11, 21] == pytest.approx(0.4)
    # A source with itself names things more than once, so nothing competes there.
    assert found[31, 32] == found[31, 33] == pytest.approx(0.7)
    assert found[1, 12] < 0.5 < found[2, 12] < found[1, 11]


def test_where_no_source_names_each_thing_once_nothing_competes(spark: SparkSession) -> None:
    found = asked(spark, set())
    assert found == pytest.approx({(a, b): p for a, b, _, _, p, _ in SCORED})


def test_each_kind_of_pairs_is_put_right_by_its_own_correction_beside_its_rivals(spark: SparkSession) -> None:
    before, after = asked(spark, {"a", "b"}), asked(spark, {"a", "b"}, correction={ROWS: (0.5, -1.0)})
    for left, right, *_, kind in SCORED:
        probability = before[left, right]
        if kind == ROWS:
            odds = 0.5 * np.log(probability / (1 - probability)) - 1
            probability = 1 / (1 + np.exp(-odds))
        assert after[left, right] == pytest.approx(probability, abs=1e-6)


def test_what_is_decided_does_not_hang_on_the_order_of_rows(spark: SparkSession) -> None:
    assert asked(spark, {"a", "b"}, 1) == asked(spark, {"a", "b"}, 5)


@pytest.mark.parametrize("alone", [{"a", "b"}, {"b"}, set[str]()])
def test_what_is_decided_in_parts_is_what_is_decided_at_once(spark: SparkSession, alone: set[str]) -> None:
    assert asked(spark, alone, parts=7) == asked(spark, alone)


def test_a_weak_pair_is_kept_where_it_is_probable_beside_its_rivals(spark: SparkSession) -> None:
    pairs = {(1, 11): 0.004, (2, 12): 0.004, (2, 13): 0.9, (3, 14): 0.3, (4, 14): 0.99}
    rows = [(*keys, "a", "b", probability, ROWS, {}) for keys, probability in pairs.items()]
    scored = spark.createDataFrame(rows, SCORED_PAIRS)
    slack = {"a/b": -8.0}  # hardly any record is without a partner
    resolver = Resolver(None, Comparer({}, {}), PairScorer("logistic"), {}, {}, slack, correction={})
    found = kept(scored, decided(scored, resolver, {"a", "b"}, 1), 0.01).collect()
    assert {(row.left_key, row.right_key) for row in found} == pairs.keys() - {(2, 12)}
    assert next(row.decided for row in found if row.left_key == 1) > 0.5
