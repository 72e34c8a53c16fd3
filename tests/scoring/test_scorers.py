"""Scorers of comparisons: without labels and with them, and what both promise."""

from __future__ import annotations

import logging
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xmer_spark.errors import XmerError
from xmer_spark.method import saved_files
from xmer_spark.numerics.logistic import sigmoid
from xmer_spark.scoring import REGISTRY
from xmer_spark.scoring.agreement import attributes, fused, scale, surprise
from xmer_spark.scoring.base import EvidenceScorer
from xmer_spark.scoring.thresholds import best_threshold

NAMES = [
    "title~title/token_set",
    "title~title/ngram_cosine",
    "author~author/token_set",
    "author~author/jaro_winkler",
    "year~year/equal",
]
ALL = sorted(REGISTRY.methods)
#: Those that learn from known pairs alone.
TAUGHT = ("boosted", "logistic")
#: Those that promise that more agreement is never less likely.
RISING = ("boosted", "fellegi_sunter")


def pairs(
    seed: int = 0, count: int = 4000, share: float = 0.1, apart: float = 3.0
) -> tuple[np.ndarray, np.ndarray]:
    """Evidence (p, 5) of pairs, a fifth of it missing, and their truth (p,)."""
    random = np.random.default_rng(seed)
    truth = random.random(count) < share
    attribute = random.standard_normal((count, 3)) + apart * truth[:, None]
    raw = attribute[:, [0, 0, 1, 1, 2]] + 0.5 * random.standard_normal((count, 5))
    evidence = sigmoid(raw - 2)
    evidence[:, 4] = evidence[:, 4] > 0.4
    missing = random.random((count, 3))[:, [0, 0, 1, 1, 2]] < 0.2
    missing[:, :2] = False
    return np.where(missing, np.nan, evidence).astype(np.float32), truth.astype(float)


@lru_cache
def fitted(name: str) -> EvidenceScorer:
    evidence, truth = pairs(seed=1)
    scorer: EvidenceScorer = REGISTRY.build(name)
    return scorer.fit(evidence, NAMES, truth if name in TAUGHT else None)


def best_f1(probability: np.ndarray, truth: np.ndarray) -> float:
    """The F1 that the best threshold gives, which is chosen with the truth in hand."""
    found = probability >= best_threshold(probability, truth, np.ones(len(truth)))
    return float(2 * (found & (truth > 0)).sum() / (found.sum() + truth.sum()))


@pytest.mark.parametrize("name", ALL)
def test_matches_are_told_from_others(name: str) -> None:
    evidence, truth = pairs(seed=2)
    probability = fitted(name).probability(evidence)
    assert best_f1(probability, truth) > 0.93
    assert 0.8 < probability.sum() / truth.sum() < 1.25
    assert probability.dtype == np.float32


@pytest.mark.parametrize("name", ALL)
def test_contributions_add_up_to_the_log_odds(name: str) -> None:
    evidence, _ = pairs(seed=2, count=200)
    scorer = fitted(name)
    explained = scorer.contributions(evidence)
    assert explained.shape == evidence.shape
    rest = scorer.log_odds(evidence) - explained.sum(axis=1)
    np.testing.assert_allclose(rest, rest[0], atol=1e-6)
    np.testing.assert_allclose(sigmoid(scorer.log_odds(evidence)), scorer.probability(evidence), atol=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_saved_and_fitted_again_it_gives_the_same_bits(name: str, tmp_path: Path) -> None:
    evidence, truth = pairs(seed=1)
    again = REGISTRY.build(name).fit(evidence, NAMES, truth if name in TAUGHT else None)
    assert saved_files(again) == saved_files(fitted(name))
    again.save(tmp_path)
    unseen, _ = pairs(seed=2, count=300)
    np.testing.assert_array_equal(REGISTRY.load(tmp_path).log_odds(unseen), fitted(name).log_odds(unseen))


@pytest.mark.parametrize("name", ALL)
def test_a_pair_does_not_hang_on_others_and_none_is_none(name: str) -> None:
    evidence, _ = pairs(seed=2, count=50)
    scorer = fitted(name)
    np.testing.assert_array_equal(scorer.log_odds(evidence)[7:8], scorer.log_odds(evidence[7:8]))
    assert scorer.probability(evidence[:0]).shape == (0,)
    assert scorer.contributions(evidence[:0]).shape == (0, len(NAMES))


@pytest.mark.parametrize("name", RISING)
@given(seed=st.integers(0, 999), column=st.integers(0, len(NAMES) - 1))
@settings(deadline=None, max_examples=20)
def test_more_agreement_never_makes_a_match_less_likely(name: str, seed: int, column: int) -> None:
    evidence, _ = pairs(seed=seed, count=20)
    more = evidence.copy()
    more[:, column] = np.minimum(more[:, column] + 0.2, 1)
    assert (fitted(name).log_odds(more) >= fitted(name).log_odds(evidence) - 1e-9).all()


def test_missing_evidence_says_nothing() -> None:
    scorer = fitted("fellegi_sunter")
    nothing = np.full((1, len(NAMES)), np.nan, np.float32)
    assert (scorer.contributions(nothing) == 0).all()
    some = pairs(seed=3, count=1)[0]
    some[:, 2:] = np.nan
    assert (scorer.contributions(some)[:, 2:] == 0).all()


def test_the_same_measure_twice_counts_once() -> None:
    evidence, _ = pairs(seed=1)
    twice = np.hstack([evidence, evidence[:, :2]])
    names = [*NAMES, "title~title/again", "title~title/once_more"]
    scorer = REGISTRY.build("fellegi_sunter").fit(twice, names)
    np.testing.assert_allclose(scorer.log_odds(twice), fitted("fellegi_sunter").log_odds(evidence), atol=1e-6)


@pytest.mark.parametrize("share", [0.005, 0.05, 0.5])
def test_rare_and_frequent_matches_are_found_without_labels(share: float) -> None:
    evidence, truth = pairs(seed=4, count=8000, share=share, apart=4.0)
    probability = REGISTRY.build("fellegi_sunter").fit(evidence, NAMES).probability(evidence)
    assert best_f1(probability, truth) > 0.9
    assert 0.5 < probability.sum() / truth.sum() < 2


def test_a_weight_is_a_number_of_pairs() -> None:
    evidence, _ = pairs(seed=5, count=600)
    weight = np.random.default_rng(0).integers(1, 4, 600)
    weighted = REGISTRY.build("fellegi_sunter").fit(evidence, NAMES, weight=weight)
    repeated = REGISTRY.build("fellegi_sunter").fit(evidence.repeat(weight, axis=0), NAMES)
    np.testing.assert_allclose(weighted.log_odds(evidence), repeated.log_odds(evidence), atol=1e-3)


def test_known_pairs_keep_their_truth_and_lead_the_rest() -> None:
    evidence, truth = pairs(seed=6, count=2000, apart=1.2)
    known = np.where(np.arange(len(truth)) < 1000, truth, np.nan)
    led = REGISTRY.build("fellegi_sunter").fit(evidence, NAMES, known).probability(evidence)
    lone = REGISTRY.build("fellegi_sunter").fit(evidence, NAMES).probability(evidence)
    rest = np.isnan(known)

    def loss(p: np.ndarray) -> float:
        p = np.clip(p.astype(float), 1e-6, 1 - 1e-6)
        return float(-np.where(truth == 1, np.log(p), np.log(1 - p))[rest].mean())

    assert loss(led) < loss(lone)


def test_classes_that_do_not_separate_are_told(caplog: pytest.LogCaptureFixture) -> None:
    noise = np.random.default_rng(0).random((500, len(NAMES))).astype(np.float32)
    with caplog.at_level(logging.WARNING):
        REGISTRY.build("fellegi_sunter").fit(noise, NAMES)
    assert "hardly separate" in caplog.text


@pytest.mark.parametrize("name", TAUGHT)
def test_what_learns_from_known_pairs_needs_both_kinds_of_them(name: str) -> None:
    evidence, truth = pairs(seed=1, count=100)
    with pytest.raises(XmerError, match="0 of 100 known pairs match"):
        REGISTRY.build(name).fit(evidence, NAMES, np.zeros_like(truth))
    with pytest.raises(XmerError, match="0 of 0 known pairs"):
        REGISTRY.build(name).fit(evidence, NAMES)


@pytest.mark.parametrize("name", ALL)
def test_a_measure_that_no_pair_has_changes_nothing(name: str) -> None:
    evidence, truth = pairs(seed=1, count=600)
    none = np.full((600, 1), np.nan, np.float32)
    known = truth if name in TAUGHT else None
    with_it = REGISTRY.build(name).fit(np.hstack([evidence, none]), [*NAMES, "photo~photo/cosine"], known)
    without = REGISTRY.build(name).fit(evidence, NAMES, known)
    explained = with_it.contributions(np.hstack([evidence, none]))
    assert not explained[:, -1].any()
    if name != "boosted":  # whose trees draw measures at random
        np.testing.assert_allclose(
            with_it.log_odds(np.hstack([evidence, none])), without.log_odds(evidence), atol=1e-9
        )


def test_evidence_must_fit_its_names() -> None:
    with pytest.raises(XmerError, match="does not fit 5 names"):
        REGISTRY.build("fellegi_sunter").fit(np.zeros((3, 2), np.float32), NAMES)


def test_surprise_is_the_share_of_pairs_that_agree_as_much() -> None:
    values = np.array([0.0] * 75 + [1.0] * 25)
    found = surprise(np.array([0.0, 1.0, np.nan]), scale(values, np.ones(100)))
    np.testing.assert_array_equal(found, np.array([0, 2, np.nan], np.float32))


def test_an_attributes_measures_are_fused_where_there_are_any() -> None:
    evidence = np.array([[0.1, np.nan], [0.9, 0.2], [np.nan, np.nan]], np.float32)
    scales = np.stack([scale(np.arange(8) / 8, np.ones(8)), scale(np.arange(8) / 8, np.ones(8))])
    found = fused(evidence, [0, 1], scales)
    assert np.isnan(found[2])
    assert found[1] > found[0] > 0
    assert [4] in attributes(NAMES, [True] * len(NAMES))
