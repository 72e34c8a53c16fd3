"""Logistic regression on measures: what its design says, and honest probabilities beyond what it has seen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xmer_spark.scoring.logistic import Logistic
from xmer_spark.scoring.thresholds import best_threshold

NAMES = ["photo~photo/cosine", "photo~photo/csls", "title~title/token_set"]


def pairs(seed: int, count: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Evidence (p, 3), a quarter of whose last column is missing, and truth (p): one in twenty matches."""
    random = np.random.default_rng(seed)
    truth = random.random(count) < 0.05
    cosine = random.normal(0.1, 0.15, count) + 0.5 * truth
    values = [cosine, 2 * cosine - random.normal(0.3, 0.05, count), random.random(count) ** (1 + 2 * ~truth)]
    evidence = np.column_stack(values).astype(np.float32)
    evidence[random.random(count) < 0.25, 2] = np.nan
    return evidence, truth


@pytest.fixture(scope="module")
def fitted() -> Logistic:
    evidence, truth = pairs(1)
    return Logistic().fit(evidence, NAMES, truth)


def test_log_odds_are_what_the_design_matrix_says(fitted: Logistic) -> None:
    x = pairs(4, 500)[0].astype(np.float64)
    missing = np.isnan(x)
    x = np.maximum(x, fitted.least_)
    z, linear = (
        np.where(missing, 0, (values - fitted.centres_) / fitted.scales_)
        for values in (np.minimum(x, fitted.high_), x)
    )
    a, b = np.triu_indices(3)
    design = np.column_stack([linear, z[:, a] * z[:, b], missing[:, 2], np.ones(len(x))])
    expected = design @ fitted.coefficients_
    np.testing.assert_allclose(fitted.log_odds(pairs(4, 500)[0]), expected, rtol=1e-9, atol=1e-9)


def test_probabilities_of_unseen_pairs_add_up_to_their_matches(fitted: Logistic) -> None:
    evidence, truth = pairs(2)
    probability = fitted.probability(evidence)
    assert probability.sum() / truth.sum() == pytest.approx(1, abs=0.1)
    for low, high in ((0.1, 0.5), (0.5, 0.9), (0.9, 1.0)):
        within = (probability >= low) & (probability < high)
        assert probability[within].mean() == pytest.approx(truth[within].mean(), abs=0.1)
    lacking = np.isnan(evidence[:, 2])
    assert probability[lacking].sum() / truth[lacking].sum() == pytest.approx(1, abs=0.2)


def test_weights_speak_for_the_pairs_that_are_not_in_the_sample(fitted: Logistic) -> None:
    evidence, truth = pairs(1)
    keep = truth | (np.random.default_rng(0).random(len(truth)) < 0.25)
    weight = np.where(truth, 1.0, 4.0)[keep]
    thinned = Logistic().fit(evidence[keep], NAMES, truth[keep], weight)
    sums = [scorer.probability(pairs(2)[0]).sum() for scorer in (thinned, fitted)]
    assert sums[0] / sums[1] == pytest.approx(1, abs=0.1)


def test_what_is_more_alike_than_any_pair_that_was_learnt_from_is_no_less_probable() -> None:
    """Where fewer of the most alike pairs match, a square would let the probability fall on."""
    random = np.random.default_rng(0)
    cosine = random.uniform(0, 1, 20_000)
    truth = random.random(20_000) < np.where(cosine < 0.6, 0.5 * cosine**2, 0.18)
    evidence = np.column_stack([cosine, cosine]).astype(np.float32)
    scorer = Logistic().fit(evidence, NAMES[:2], truth)
    high = scorer.high_[0]
    rising = np.linspace(high, 2, 50, dtype=np.float32)
    odds = scorer.log_odds(np.column_stack([rising, rising]))
    assert (np.diff(odds) > 0).all()


def test_a_pair_less_alike_than_all_that_were_learnt_from_is_as_probable_as_the_least_of_them() -> None:
    evidence, truth = pairs(3)
    near = evidence[:, 0] > np.quantile(evidence[:, 0], 0.9)
    scorer = Logistic().fit(evidence[near], NAMES, truth[near])
    least = np.nanmin(evidence[near], axis=0)
    edge, beyond = scorer.probability(np.stack([least, least - 5]))
    assert edge == beyond
    found = scorer.probability(evidence)
    assert found[~near & ~truth].mean() < 0.05 < found[near & truth].mean()


def test_pairs_of_unknown_truth_are_not_learnt_from() -> None:
    evidence, truth = pairs(1, 3000)
    known = np.where(np.arange(3000) < 2000, truth, np.nan)
    some = Logistic().fit(evidence, NAMES, known)
    alone = Logistic().fit(evidence[:2000], NAMES, truth[:2000])
    np.testing.assert_array_equal(some.log_odds(evidence), alone.log_odds(evidence))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20), st.booleans(), st.integers(1, 3)), min_size=1, max_size=30))
def test_no_other_threshold_gives_a_better_f1(given: list[tuple[int, bool, int]]) -> None:
    score, truth, weight = (np.array(column, dtype=float) for column in zip(*given, strict=True))
    probability = score / 20

    def f1(threshold: float) -> float:
        called = probability >= threshold
        hits = (truth * weight)[called].sum()
        return float(2 * hits / max(weight[called].sum() + (truth * weight).sum(), 1e-9))

    best = best_threshold(probability, truth, weight)
    assert f1(best) >= max(f1(t) for t in probability) - 1e-9


def test_of_many_measures_only_the_squares_are_terms() -> None:
    evidence, truth = pairs(1, 3000)
    names = [f"{place}" for place in range(3 * evidence.shape[1])]
    many = np.hstack([evidence, evidence**2, np.sqrt(np.abs(evidence))])
    squares = Logistic(products=many.shape[1] - 1).fit(many, names, truth)
    every = Logistic(products=many.shape[1]).fit(many, names, truth)
    assert len(every.coefficients_) - len(squares.coefficients_) == many.shape[1] * (many.shape[1] - 1) // 2
    explained = squares.contributions(many)
    total = explained.sum(axis=1) + squares.coefficients_[-1]
    np.testing.assert_allclose(total, squares.log_odds(many), atol=1e-6)
