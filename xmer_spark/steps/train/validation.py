"""What validation items decide: calibration, thresholds, and how good a resolver is.

The resolver that is asked has not seen these items.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from xmer_spark.evaluation import ranking
from xmer_spark.names import metric_name, pair_name
from xmer_spark.scoring.scorer import PairSample
from xmer_spark.steps.train.encoder import Encoded
from xmer_spark.steps.train.items import ItemTable, Sources, true_pairs
from xmer_spark.steps.train.pairs import Candidates, candidates, thinned, weights

if TYPE_CHECKING:
    from xmer_spark.config import Config

Samples = Iterator[tuple[tuple[str, str], PairSample]]


def calibrate(config: Config, encoded: Encoded, sources: Sources) -> dict[str, float]:
    """Fit the calibration and the thresholds of the resolver's scorer; gives what was measured."""
    scorer = encoded.resolver.scorer
    found = list(candidates(encoded, encoded.resolver.blockers, sources))
    samples = dict(_samples(config, found, sources))
    before = scorer.expected_matches(samples)
    after = scorer.calibrate(samples).expected_matches(samples)
    scorer.choose_thresholds(dict(_best_pairs(config, found, sources)))
    return {
        **{metric_name("threshold", pair): value for pair, value in scorer.thresholds_.items()},
        **{metric_name("expected_matches", pair, "uncalibrated"): value for pair, value in before.items()},
        **{metric_name("expected_matches", pair, "calibrated"): value for pair, value in after.items()},
    }


def average_precision(config: Config, encoded: Encoded, sources: Sources) -> dict[tuple[str, str], float]:
    """Mean average precision of each source's items as queries against each other source's as gallery.

    ``encoded`` holds the items to be judged by, and no others; the keys are names of sources. A direction in
    which no query has a true match, or whose modalities the scorer was not trained to compare, is left out.
    """
    compared = encoded.resolver.scorer.coefficients_
    truth = "label" if config.evaluation.task == "class" else "entity"
    sides = [
        encoded.where({m: table.source == source})
        for m, table in sorted(encoded.items.items())
        for source in np.unique(table.source)
    ]
    found = {}
    for query, gallery in ((a, b) for a in sides for b in sides if a is not b):
        if pair_name(*query.items, *gallery.items) not in compared:
            continue
        ranked = _ranked(query, gallery, truth)
        if len(ranked.query):
            names = tuple(sources.names[int(side.source[0])] for side in (_only(query), _only(gallery)))
            found[names[0], names[1]] = float(ranked.average_precision.mean())
    return found


def _ranked(query: Encoded, gallery: Encoded, truth: str) -> ranking.Ranking:
    """The items of one side ranked for each item of the other, as the scorer sees them."""
    (a, x), (b, y) = (*query.embeddings.items(), *gallery.embeddings.items())

    def similarity(rows: np.ndarray) -> np.ndarray:
        scores: np.ndarray = query.resolver.scorer.similarity(a, x[rows], b, y)
        return scores

    return ranking.rank(similarity, getattr(_only(query), truth), getattr(_only(gallery), truth))


def _only(side: Encoded) -> ItemTable:
    return next(iter(side.items.values()))


def _samples(config: Config, found: Sequence[Candidates], sources: Sources) -> Samples:
    """Of the candidate pairs with a validation item all matches and some of the rest, weighted."""
    for pairs in found:
        pairs = pairs.where(_validation(pairs))
        truth = pairs.truth(config.evaluation.task == "class")
        if truth.any():
            rows, share = thinned(truth, config.seed)
            pairs, truth = pairs.where(rows), truth[rows]
            yield pairs.modalities, PairSample(pairs.evidence(), truth, weights(pairs, truth, share, sources))


def _best_pairs(config: Config, found: Sequence[Candidates], sources: Sources) -> Samples:
    """The pairs with a validation item that clustering could keep, which thresholds are chosen on.

    Between sources that hold each thing once only one partner remains, so a pair that is not the best of
    both its items is ruled out by more than its probability.
    """
    by_class = config.evaluation.task == "class"
    for pairs in found:
        evidence = pairs.evidence()
        probability = pairs.encoded.resolver.scorer.probability(pairs.modalities, evidence)
        keep = _best(probability, pairs.i, pairs.right.source[pairs.j], sources)
        keep &= _best(probability, pairs.j, pairs.left.source[pairs.i], sources)
        keep &= _validation(pairs)
        truth = pairs.truth(by_class)[keep]
        if truth.any():
            missed = 0 if by_class else max(_true_of_validation(pairs, sources) - int(truth.sum()), 0)
            chosen = {name: values[keep] for name, values in evidence.items()}
            yield pairs.modalities, PairSample(chosen, truth, np.ones(len(truth)), missed)


def _validation(pairs: Candidates) -> np.ndarray:
    return pairs.left.validation[pairs.i] | pairs.right.validation[pairs.j]


def _true_of_validation(pairs: Candidates, sources: Sources) -> int:
    """How many true pairs with a validation item there are between sources that are compared."""
    left, right = pairs.left, pairs.right
    i, j = true_pairs(pairs.encoded.items)[pairs.modalities].T
    apart = sources.compared(left, right, i, j)
    return int((apart & (left.validation[i] | right.validation[j])).sum())


def _best(probability: np.ndarray, item: np.ndarray, source: np.ndarray, sources: Sources) -> np.ndarray:
    """Whether a pair is its item's most probable one with a source, where that holds each thing once."""
    group = item.astype(np.int64) * len(sources.names) + source
    most = np.zeros(group.max(initial=-1) + 1, dtype=probability.dtype)
    np.maximum.at(most, group, probability)
    return (probability >= most[group]) | ~sources.alone[source]
