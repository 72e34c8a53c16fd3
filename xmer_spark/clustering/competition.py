"""Rivals weighed against each other: what is left of a match where a thing can have one partner only."""

from __future__ import annotations

from math import fsum

import numpy as np

from xmer_spark.clustering.odds import log_odds
from xmer_spark.errors import XmerError
from xmer_spark.numerics.logistic import sigmoid

#: Rounds of belief propagation. Probabilities hardly move after twenty.
ROUNDS = 50
#: The slack is sought to within ``WIDEST / 2^HALVINGS``.
WIDEST, HALVINGS = 8.0, 6


def decide(
    left: np.ndarray,
    right: np.ndarray,
    probability: np.ndarray,
    left_once: bool = True,
    right_once: bool = True,
    slack: float = 0.0,
) -> np.ndarray:
    """The probabilities (m,) of matches between two sources, knowing which of them name each thing once.

    Match k is between items ``left[k]`` and ``right[k]`` (m,) int64, no two of them between the same items;
    ``probability`` (m,) is that of the pair by itself. Where the left source has each thing once
    (``left_once``), an item on the right has at most one partner there, and likewise ``right_once``. Where
    neither has, nothing changes.

    Sets of matches in which nobody has two partners are as probable as the product of their odds: the
    monomer-dimer model of Heilmann and Lieb 1972, in which having no partner has log-odds of ``slack``. At 0,
    a match without rivals keeps its probability. Its marginals come from belief propagation (Bayati et al.
    2007, section 2; Zdeborova and Mezard 2006, eq. 8), which is exact where rivals make no circle. The result
    is the same to the last bit for any order of the matches; under one slack, it depends on their connected
    component alone.
    """
    if not (left_once or right_once):
        return np.asarray(probability, float)
    odds = log_odds(probability) - slack
    order = np.lexsort((right, left))
    a, b = (np.unique(side[order], return_inverse=True)[1] for side in (left, right))
    if np.any((np.diff(a) == 0) & (np.diff(b) == 0)):
        raise XmerError("competition: some matches are between the same two items; keep one of each")
    # of each match, the log of how free its ends are of other partners
    left_free, right_free = _free(a, b, odds[order], right_once, left_once)
    decided = np.empty(len(odds))
    decided[order] = sigmoid(odds[order] + (left_free + right_free))
    return decided


def learnt_slack(
    left: np.ndarray,
    right: np.ndarray,
    probability: np.ndarray,
    left_once: bool = True,
    right_once: bool = True,
) -> float:
    """The slack under which as many matches are expected before the evidence as after it.

    A probability of a pair by itself takes for granted that any candidate matches as often as all of them do,
    however many rivals it has. Of matchings, the likeliest slack is that at which the mean number of matches
    does not change when all pairs are believed alike: the fixed point of expectation-maximisation, sought by
    bisection between ``-WIDEST`` and 0, and with it how many of the items have a partner at all.
    """
    if not (left_once or right_once):
        return 0.0
    mean = fsum(probability) / max(len(probability), 1)  # fsum: the same for any order
    alike = np.full(len(probability), mean)
    low, high = -WIDEST, 0.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        after, before = (
            fsum(decide(left, right, p, left_once, right_once, middle)) for p in (probability, alike)
        )
        low, high = (low, middle) if after > before else (middle, high)
    return high


def _free(
    a: np.ndarray, b: np.ndarray, odds: np.ndarray, left_competes: bool, right_competes: bool
) -> tuple[np.ndarray, np.ndarray]:
    left_free, right_free = np.zeros(len(odds)), np.zeros(len(odds))
    for _ in range(ROUNDS):
        # half of the way, for whole steps swing from too free to too bound
        new_left = 0.5 * (left_free + _alone(a, odds + right_free)) if left_competes else left_free
        new_right = 0.5 * (right_free + _alone(b, odds + left_free)) if right_competes else right_free
        left_free, right_free = new_left, new_right
    return left_free, right_free


def _alone(item: np.ndarray, log_weight: np.ndarray) -> np.ndarray:
    """-log(1 + the sum of the weights of the item's other matches), for each match (m,)."""
    weight = np.exp(log_weight)
    total = np.bincount(item, weight)
    return -np.log1p(np.maximum(total[item] - weight, 0))
