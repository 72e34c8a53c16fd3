"""Which blocker to use: what each would cost and keep at full size, predicted from a sample.

Pure functions of a sample of codes and of the codes of true pairs that are known, such as those of the
validation entities.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from xmer_spark.blocking.base import USUAL_PARTITIONS, Blocker
from xmer_spark.blocking.join import LARGE
from xmer_spark.blocking.top_k import TopK
from xmer_spark.numerics.hamming import columns, distances
from xmer_spark.numerics.intervals import normal, score_interval

#: Seconds of one core: to compare a pair in a small bucket, in a large one or among all, and for the k
#: nearest; to score a candidate; to send an item, and a byte of it. The first two are ``allocation``'s; the
#: third is ``TopK.pairs`` on 6,000 codes of one word a side, k = 10, mutual or not. What a copy costs, beside
#: its bytes, is the CPU time of all processes of ``stage.hamming_join`` (10^6 a side, radius 3: 6.6 * 10^6
#: copies of 16 bytes), less the comparisons. ``tests/benchmarks/hamming_join.py --work planner`` puts
#: predictions beside outcomes.
_COMPARED, _CROWDED, _RANKED, _SCORED, _COPY, _SENT = 5e-9, 8e-10, 3.5e-9, 1e-6, 5e-7, 1e-8
#: Sampled pairs by which the comparisons are estimated.
_COMPARISONS = 200_000


class Population(NamedTuple):
    """What is known of two sides of ``left_size`` and ``right_size`` items.

    ``left`` and ``right`` are (n, words) codes drawn at random. ``true_left`` and ``true_right`` are the
    aligned codes of true pairs. ``item_bytes`` is what one item weighs when it is sent: key, code, vector.
    A source joined with itself is given as both sides, with ``within``.
    """

    left: np.ndarray
    right: np.ndarray
    left_size: int
    right_size: int
    true_left: np.ndarray
    true_right: np.ndarray
    item_bytes: int
    within: bool = False

    @property
    def possible(self) -> int:
        if self.within:
            return self.left_size * (self.left_size - 1) // 2
        return self.left_size * self.right_size


class Prediction(NamedTuple):
    """What a blocker would do: ``most_pairs`` and the recall's ends are those of 95 % intervals.

    ``compared`` pairs are looked at to find the candidate ``pairs``; ``seconds`` are those of one core.
    """

    pairs: float
    most_pairs: float
    compared: float
    bytes_sent: float
    recall: float
    recall_low: float
    recall_high: float
    seconds: float


class Choice(NamedTuple):
    """The name of the chosen blocker, None where none will do; why; and what was predicted of each."""

    name: str | None
    reason: str
    predictions: dict[str, Prediction]


def choose(
    blockers: Mapping[str, Blocker],
    population: Population,
    target_recall: float,
    max_pairs: float,
) -> Choice:
    """The cheapest blocker whose predicted recall meets the target within ``max_pairs`` candidates.

    The recall is judged by its estimate, for it is certified afterwards; the number of pairs by the upper
    end of its interval, for too many of them stop a run.
    """
    predictions = {name: predict(blocker, population) for name, blocker in blockers.items()}
    affordable = {name: p for name, p in predictions.items() if p.most_pairs <= max_pairs}
    good = {name: p for name, p in affordable.items() if p.recall >= target_recall}
    wanted = f"recall {target_recall:g} within {max_pairs:,.0f} pairs"
    if good:
        name = min(good, key=lambda n: (good[n].seconds, n))
        p = good[name]
        return Choice(
            name,
            f"{name} is the cheapest of {len(good)} that meet {wanted}: recall {p.recall:.3f}, "
            f"{p.pairs:,.0f} pairs",
            predictions,
        )
    return Choice(None, f"no blocker meets {wanted}: {_nearest_miss(predictions, affordable)}", predictions)


def _nearest_miss(predictions: Mapping[str, Prediction], affordable: Mapping[str, Prediction]) -> str:
    if not predictions:
        return "none was given"
    if affordable:
        name = max(affordable, key=lambda n: (affordable[n].recall, n))
        return f"within so many pairs the best is {name} with recall {affordable[name].recall:.3f}"
    name = min(predictions, key=lambda n: (predictions[n].most_pairs, n))
    p = predictions[name]
    return f"even {name} may need {p.most_pairs:,.0f} (estimated {p.pairs:,.0f}, recall {p.recall:.3f})"


def predict(blocker: Blocker, population: Population) -> Prediction:
    """What ``blocker`` would cost and keep at the full size, on ``USUAL_PARTITIONS`` whatever a run has."""
    if isinstance(blocker, TopK):
        pairs, most_pairs, compared, kept = _top_k(blocker, population)
    else:
        pairs, most_pairs, compared, kept = _local(blocker, population)
    trials = len(population.true_left)
    recall = float(kept.mean()) if trials else 1.0
    low, high = map(float, score_interval(recall, trials, normal(0.95)))
    copies = _copies(blocker, population)
    sent = copies * population.item_bytes
    seconds = compared * _comparison(blocker, population, compared)
    seconds += pairs * _SCORED + copies * _COPY + sent * _SENT
    return Prediction(pairs, most_pairs, compared, sent, recall, low, high, seconds)


def _comparison(blocker: Blocker, population: Population, compared: float) -> float:
    """Seconds to compare a pair; buckets are taken to be equally large."""
    if isinstance(blocker, TopK):
        return _RANKED
    met = compared / population.possible if population.possible else 0.0
    bucket = met**2 * population.left_size * population.right_size
    return _CROWDED if bucket >= LARGE else _COMPARED


def _local(blocker: Blocker, population: Population) -> tuple[float, float, float, np.ndarray]:
    """Pairs, at most, and comparisons by their share in the sample; which true pairs are kept."""
    left, right = population.left, population.right
    i, j = blocker.pairs(left, right)
    found, sampled = len(i), len(left) * len(right)
    if population.within:
        found, sampled = int((i < j).sum()), len(left) * (len(left) - 1) // 2
    share = found / sampled if sampled else 0.0
    most = float(score_interval(share, sampled, normal(0.95))[1])
    generator = np.random.default_rng(0)
    a = generator.integers(0, max(1, len(left)), _COMPARISONS if sampled else 0)
    b = generator.integers(0, max(1, len(right)), len(a))
    a, b = (a[a != b], b[a != b]) if population.within else (a, b)
    met = float(blocker.meets(left, right, a, b).mean()) if len(a) else 0.0
    aligned = np.arange(len(population.true_left))
    kept = blocker.hits(population.true_left, population.true_right, aligned, aligned)
    # Whatever is a candidate has been compared.
    return (
        share * population.possible,
        most * population.possible,
        max(met, share) * population.possible,
        kept,
    )


def _top_k(blocker: TopK, population: Population) -> tuple[float, float, float, np.ndarray]:
    """The same for the k nearest, where the sample is much sparser than the population.

    A true pair is kept if fewer than k others are nearer. Their number is taken to be Poisson, its mean the
    share of the sample that is nearer, times the size. Ties come on top of the pairs predicted.
    """
    kept = _is_among(blocker.k, population.true_left, population.true_right, population.right,
                     population.right_size)  # fmt: skip
    pairs = float(population.left_size * min(blocker.k, population.right_size))
    if blocker.mutual:
        kept = kept * _is_among(blocker.k, population.true_right, population.true_left, population.left,
                                population.left_size)  # fmt: skip
    limit = blocker.most(population.true_left.shape[1])
    if limit is not None:
        kept = kept * (distances(columns(population.true_left), columns(population.true_right)) <= limit)
    compared = 2.0 * population.left_size * population.right_size
    return pairs, pairs, compared, kept


def _is_among(k: int, item: np.ndarray, partner: np.ndarray, others: np.ndarray, size: int) -> np.ndarray:
    """The probability that each partner is among its item's k nearest of a side of ``size``."""
    from scipy.special import pdtr

    differing = distances(columns(item), columns(partner))
    nearer = np.zeros(len(item))
    other_columns = columns(others)
    for row in range(len(item)):
        nearer[row] = np.sum(distances(columns(item[row : row + 1]), other_columns) < differing[row])
    return np.asarray(pdtr(k - 1, nearer / max(1, len(others)) * size))


def _copies(blocker: Blocker, population: Population) -> float:
    """How often items are sent to a partition."""
    generator = np.random.default_rng(0)
    copies = []
    for side in ("left", "right"):
        codes: np.ndarray = getattr(population, side)
        keys = generator.integers(-(2**63), 2**63 - 1, len(codes))
        copies.append(blocker.destinations(side, keys, codes, USUAL_PARTITIONS))
    if population.within:  # each item is sent once to wherever either of its sides is wanted
        sent = population.left_size * _mean(copies[0] | copies[1])
    else:
        sent = population.left_size * _mean(copies[0]) + population.right_size * _mean(copies[1])
    return sent


def _mean(reached: np.ndarray) -> float:
    return float(reached.sum(axis=1).mean()) if len(reached) else 0.0
