"""The pair scorer: a scorer for every kind of pairs, corrected where the truth of some is known."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xmer_spark.errors import XmerError
from xmer_spark.numerics.evidence import Evidence, joined, pair_kind, pair_kind_name
from xmer_spark.numerics.logistic import sigmoid
from xmer_spark.scoring import scorer as scorer_module
from xmer_spark.scoring.scorer import PairScorer

NAMES = ["photo~photo/cosine", "photo~title/cosine", "title~title/equal", "title~title/token_set"]
ROW, IMAGE, TEXT = 0, 1, 2
#: Of each kind of pairs the columns that it has, and how far apart its matches lie from the others.
KINDS = {
    int(pair_kind(np.array(a), np.array(b))): (columns, apart)
    for a, b, columns, apart in ((IMAGE, IMAGE, [0], 4.0), (IMAGE, TEXT, [1], 2.0), (TEXT, TEXT, [2, 3], 4.0))
}
IMAGES, CROSS, TEXTS = sorted(KINDS, key=lambda kind: KINDS[kind][0])


def pairs(kind: int, seed: int = 0, count: int = 4000, share: float = 0.05) -> tuple[Evidence, np.ndarray]:
    """Candidate pairs of one kind, whose other columns are missing, and their truth."""
    columns, apart = KINDS[kind]
    random = np.random.default_rng([seed, kind])
    truth = random.random(count) < share
    values = np.full((count, len(NAMES)), np.nan, np.float32)
    for column in columns:
        values[:, column] = sigmoid(random.standard_normal(count) + apart * truth - 2)
    return Evidence(values, np.full(count, kind, np.int16)), truth


def of_all(seed: int = 0, **sizes: Any) -> tuple[Evidence, np.ndarray]:
    parts = [pairs(kind, seed, **sizes) for kind in KINDS]
    return joined([evidence for evidence, _ in parts]), np.concatenate([truth for _, truth in parts])


@lru_cache(maxsize=1)
def fitted() -> PairScorer:
    evidence, truth = of_all(1)
    return PairScorer("logistic").fit(evidence, NAMES, truth)


def test_kinds_of_pairs_are_scored_each_by_its_own() -> None:
    assert fitted().names == [pair_kind_name(kind) for kind in sorted(KINDS)]
    assert sorted(fitted().models) == sorted(KINDS)
    for kind in KINDS:
        evidence, truth = pairs(kind, 1)
        own = PairScorer("logistic").fit(evidence, NAMES, truth)
        unseen, _ = pairs(kind, 2)
        np.testing.assert_array_equal(fitted().log_odds(unseen), own.log_odds(unseen))


@pytest.mark.parametrize("kind", KINDS, ids=map(pair_kind_name, KINDS))
def test_probabilities_of_unseen_pairs_add_up_to_their_matches(kind: int) -> None:
    evidence, truth = pairs(kind, 2)
    probability = fitted().probability(evidence)
    assert probability.dtype == np.float32
    assert probability.sum() / truth.sum() == pytest.approx(1, abs=0.2)
    likely = probability > 0.5
    assert probability[likely].mean() == pytest.approx(truth[likely].mean(), abs=0.15)


def test_a_pair_is_scored_the_same_in_any_company() -> None:
    evidence, _ = of_all(2)
    whole = fitted().log_odds(evidence)
    mixed = np.random.default_rng(0).permutation(len(evidence))[:500]
    np.testing.assert_array_equal(fitted().log_odds(evidence.where(mixed)), whole[mixed])
    assert fitted().probability(evidence.where(mixed[:0])).shape == (0,)


def test_kinds_that_were_not_learnt_are_no_matches() -> None:
    evidence, _ = pairs(IMAGES, count=3)
    strange = Evidence(evidence.values, np.full(3, int(pair_kind(np.array(ROW), np.array(ROW))), np.int16))
    assert np.isneginf(fitted().log_odds(strange)).all()
    assert not fitted().probability(strange).any()
    assert not fitted().contributions(strange).any()


def test_a_kind_of_which_no_match_is_known_is_not_scored() -> None:
    evidence, truth = of_all(1)
    known = truth & (evidence.kind != CROSS)
    scorer = PairScorer("logistic").fit(evidence, NAMES, known)
    assert scorer.kinds == sorted({IMAGES, TEXTS})
    assert np.isneginf(scorer.log_odds(pairs(CROSS)[0])).all()


def test_a_kind_of_few_matches_learns_from_all_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    few, many = pairs(TEXTS, 1, count=200), pairs(IMAGES, 1)
    assert 0 < few[1].sum() < scorer_module.ENOUGH < many[1].sum()
    both, truth = joined([few[0], many[0]]), np.concatenate([few[1], many[1]])
    scorer = PairScorer("logistic").fit(both, NAMES, truth)
    assert scorer.kinds == sorted({TEXTS, IMAGES})
    assert sorted(scorer.models) == [-1, IMAGES]
    unseen, right = pairs(TEXTS, 2)
    probability = scorer.probability(unseen)
    assert probability[right].mean() > 10 * probability[~right].mean()
    monkeypatch.setattr(scorer_module, "ENOUGH", 1)
    assert sorted(PairScorer("logistic").fit(both, NAMES, truth).models) == sorted({TEXTS, IMAGES})


def test_without_labels_every_kind_is_scored() -> None:
    evidence, truth = of_all(1)
    scorer = PairScorer("fellegi_sunter").fit(evidence, NAMES)
    assert scorer.kinds == sorted(KINDS)
    texts = evidence.kind == TEXTS
    probability = scorer.probability(evidence)
    # One attribute tells which pairs are likelier, but not how likely.
    assert probability[texts & truth].mean() > 5 * probability[texts & ~truth].mean()


def test_without_any_pair_or_match_there_is_nothing_to_learn() -> None:
    evidence, truth = of_all(1)
    with pytest.raises(XmerError, match="no pairs to learn from"):
        PairScorer("logistic").fit(evidence, NAMES, np.zeros_like(truth))
    with pytest.raises(XmerError, match="no pairs to learn from"):
        PairScorer("fellegi_sunter").fit(evidence.where(np.empty(0, np.int64)), NAMES)


def test_weights_speak_for_the_pairs_that_are_not_in_the_sample() -> None:
    evidence, truth = of_all(1)
    keep = np.flatnonzero(truth | (np.random.default_rng(0).random(len(truth)) < 0.25))
    weight = np.where(truth[keep], 1.0, 4.0)
    thinned = PairScorer("logistic").fit(evidence.where(keep), NAMES, truth[keep], weight)
    for kind in KINDS:
        sums = [scorer.probability(pairs(kind, 4)[0]).sum() for scorer in (thinned, fitted())]
        assert sums[0] / sums[1] == pytest.approx(1, abs=0.15)


def calibrated() -> tuple[PairScorer, Evidence, np.ndarray]:
    """A scorer corrected on pairs of all kinds but one, of which more match than it has learnt."""
    evidence, truth = of_all(5, share=0.25)
    rows = np.flatnonzero(evidence.kind != CROSS)
    evidence, truth = evidence.where(rows), truth[rows]
    fresh, known = of_all(1)
    scorer = PairScorer("logistic").fit(fresh, NAMES, known)
    return scorer.calibrate(evidence, truth, np.ones(len(truth))), evidence, truth


def test_calibrated_probabilities_add_up_to_the_matches_and_rank_as_before() -> None:
    scorer, more, truth = calibrated()
    assert sorted(scorer.calibration) == sorted({IMAGES, TEXTS})
    for kind in scorer.calibration:
        rows = np.flatnonzero(more.kind == kind)
        before = fitted().probability(more.where(rows))
        after = scorer.probability(more.where(rows))
        if kind == IMAGES:
            assert before.sum() / truth[rows].sum() < 0.92
        assert after.sum() / truth[rows].sum() == pytest.approx(1, abs=0.03)
        assert (np.diff(after[np.argsort(before)]) >= -1e-6).all()
        np.testing.assert_allclose(sigmoid(scorer.log_odds(more.where(rows))), after, atol=1e-6)
    unseen, _ = pairs(CROSS, 2)
    np.testing.assert_array_equal(scorer.log_odds(unseen), fitted().log_odds(unseen))


def test_calibration_again_replaces_the_one_before() -> None:
    scorer, more, truth = calibrated()
    once = dict(scorer.calibration)
    assert scorer.calibrate(more, truth, np.ones(len(truth))).calibration == once


def test_a_saved_scorer_gives_the_same_probabilities(tmp_path: Path) -> None:
    scorer, _, _ = calibrated()
    scorer.save(tmp_path)
    loaded = PairScorer.load(tmp_path)
    evidence, _ = of_all(4)
    np.testing.assert_array_equal(loaded.log_odds(evidence), scorer.log_odds(evidence))
    np.testing.assert_array_equal(loaded.contributions(evidence), scorer.contributions(evidence))
    for name in ("method", "parameters", "kinds", "calibration", "names"):
        assert getattr(loaded, name) == getattr(scorer, name), name


def test_contributions_explain_the_log_odds_of_each_kind() -> None:
    evidence, _ = of_all(2, count=300)
    explained = fitted().contributions(evidence)
    assert not explained[np.isnan(evidence.values)].any()
    rest = fitted().log_odds(evidence) - explained.sum(axis=1)
    for kind in KINDS:
        np.testing.assert_allclose(np.ptp(rest[evidence.kind == kind]), 0, atol=1e-9)


def test_parameters_reach_the_scorers_of_all_kinds() -> None:
    evidence, truth = of_all(1)
    scorer = PairScorer("logistic", {"penalty": 7.0}).fit(evidence, NAMES, truth)
    assert {model.penalty for model in scorer.models.values()} == {7.0}
