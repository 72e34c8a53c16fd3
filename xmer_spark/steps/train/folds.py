"""The pair scorer, cross-fitted: it learns from pairs with a record that the space has not seen.

A space tells the pairs that it was fitted on better than any others; a scorer that learnt from those would
promise too much.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xmer_spark.comparisons.comparer import Comparer
from xmer_spark.errors import XmerError
from xmer_spark.numerics.evidence import Evidence, joined
from xmer_spark.scoring.scorer import PairScorer
from xmer_spark.steps.train import encoder
from xmer_spark.steps.train.data import TrainingData
from xmer_spark.steps.train.items import Known
from xmer_spark.steps.train.pairs import NEGATIVES, Candidates, Seen, candidates, thinned, weights
from xmer_spark.steps.train.planning import Plans, blockers

if TYPE_CHECKING:
    from xmer_spark.config import Config

log = logging.getLogger(__name__)

#: What learns from known matches, of which there have to be so many among the candidates, and what serves
#: where there are fewer.
LEARNT, ENOUGH, FEW = ("boosted", "logistic"), 100, "fellegi_sunter"
#: Log-odds of what a scorer is as sure of as can be.
_SURE = 15.0


@dataclass(frozen=True)
class Sample:
    """Candidate pairs (p) with their evidence and truth, and how many pairs each of them stands for."""

    evidence: Evidence
    truth: np.ndarray
    weight: np.ndarray


def cross_fitted(config: Config, data: TrainingData, comparer: Comparer, plans: Plans) -> PairScorer:
    """A scorer that has learnt from the held-out pairs of every fold of training entities."""
    count = config.train.folds
    parts: list[Sample] = []
    names: list[str] = []
    for fold, held_out in enumerate(folds(data.known, count, config.seed)):
        log.info("training: fold %d of %d", fold + 1, count)
        seen = _seen(config, data, comparer, held_out)
        if found := list(_samples(config, data, seen, plans, held_out)):
            parts.append(together(found))
        names = seen.comparer.names
    if not parts:
        raise XmerError("train: no two sources have candidate pairs; see [blocking] and the records' splits")
    method = chosen(config, parts, names)
    return _fitted(config, method, together(parts), names)


def together(samples: Sequence[Sample]) -> Sample:
    """Several samples as one."""
    return Sample(
        joined([sample.evidence for sample in samples]),
        np.concatenate([sample.truth for sample in samples]),
        np.concatenate([sample.weight for sample in samples]),
    )


def chosen(config: Config, parts: Sequence[Sample], names: Sequence[str]) -> str:
    """The scorer that is configured, or the one that promises least wrongly.

    ``auto`` takes the one which, fitted on the other folds, has the least log loss on the last. With few
    known matches it is the one that learns from the rest, too.
    """
    if config.scoring.method != "auto":
        return config.scoring.method
    matches = sum(int(part.truth.sum()) for part in parts)
    if matches < ENOUGH or len(parts) < 2 or not parts[-1].truth.any():
        log.info("scoring: %s, for only %d matches are known among the candidates", FEW, matches)
        return FEW
    rest = together(parts[:-1])
    losses = {m: _loss(_fitted(config, m, rest, names), parts[-1]) for m in LEARNT}
    method = min(losses, key=lambda m: (losses[m], m))
    log.info("scoring: %s, of %s", method, ", ".join(f"{m} with log loss {x:.5f}" for m, x in losses.items()))
    return method


def _fitted(config: Config, method: str, sample: Sample, names: Sequence[str]) -> PairScorer:
    scorer = PairScorer(method, config.scoring.parameters.get(method))
    return scorer.fit(sample.evidence, names, sample.truth, sample.weight)


def _loss(scorer: PairScorer, sample: Sample) -> float:
    """The weighted log loss of what it says of pairs; of kinds that it does not know it says 0."""
    odds = np.clip(scorer.log_odds(sample.evidence), -_SURE, _SURE)
    return float(np.average(np.logaddexp(0, odds) - sample.truth * odds, weights=sample.weight))


def folds(known: Mapping[str, Known], count: int, seed: int) -> Iterator[dict[str, np.ndarray]]:
    """Masks of the training records of one fold of entities, by source: each entity is in one fold.

    Records of the split validation are in none.
    """
    training = {name: ~each.validation for name, each in known.items()}
    entities = np.unique(np.concatenate([each.entity[training[name]] for name, each in known.items()]))
    fold_of = np.random.default_rng(seed).permutation(len(entities)) % count
    for fold in range(count):
        inside = entities[fold_of == fold]
        yield {name: training[name] & np.isin(each.entity, inside) for name, each in known.items()}


def _seen(config: Config, data: TrainingData, comparer: Comparer, held_out: Mapping[str, np.ndarray]) -> Seen:
    """All training records as a space sees them that was fitted without those that are held out."""
    inside = {m: t.of_records(held_out, data.sources.names) for m, t in data.items.items()}
    items = {m: t.where(~t.validation & ~inside[m]) for m, t in data.items.items()}
    fitted = encoder.fit(config, data.widths, items)
    placed = encoder.placed(fitted, data.known, data.items, data.sources)
    training = {name: ~known.validation for name, known in placed.items()}
    surroundings = fitted.surroundings if fitted is not None else None
    return Seen(placed, comparer.around(surroundings)).where(training)


def _samples(
    config: Config, data: TrainingData, seen: Seen, plans: Plans, held_out: Mapping[str, np.ndarray]
) -> Iterator[Sample]:
    """Candidate pairs with at least one side held out, their evidence and truth, by pair of sources."""
    by_class = config.evaluation.task == "class"
    out = {name: held_out[name][~data.known[name].validation] for name in seen.known}
    most = max(NEGATIVES // max(len(data.sources.pairs), 1), 1)
    for pairs in candidates(seen, blockers(plans, seen), data.sources):
        a, b = pairs.sources
        pairs = pairs.where(out[a][pairs.i] | out[b][pairs.j])
        yield sample(pairs, pairs.truth(by_class), most, config.seed, data)


def sample(pairs: Candidates, truth: np.ndarray, most: int, seed: int, data: TrainingData) -> Sample:
    """All matches of some pairs and at most so many of the rest, weighted."""
    rows, share = thinned(truth, most, seed)
    pairs, truth = pairs.where(rows), truth[rows]
    return Sample(pairs.evidence(), truth, weights(pairs, truth, share, data.sources))
