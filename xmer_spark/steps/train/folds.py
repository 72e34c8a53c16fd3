"""The pair scorer, cross-fitted: it learns from pairs with an item that the space has not seen.

A space tells the pairs that it was fitted on better than any others; a scorer that learnt from those would
promise too much.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.scoring.scorer import PairSample, join_samples
from xmer_spark.steps.train import encoder
from xmer_spark.steps.train.encoder import Encoded, Widths
from xmer_spark.steps.train.items import Items, Sources
from xmer_spark.steps.train.pairs import candidates, thinned, weights
from xmer_spark.steps.train.planning import Plan, blockers

if TYPE_CHECKING:
    from xmer_spark.config import Config

log = logging.getLogger(__name__)


def cross_fitted(
    config: Config, widths: Widths, train: Items, sources: Sources, plans: Mapping[str, Plan]
) -> Any:
    """A scorer that has learnt from the held-out pairs of every fold of training entities."""
    samples: dict[tuple[str, str], list[PairSample]] = {}
    scorer: Any = None
    for fold, held_out in enumerate(folds(train, config.train.folds, config.seed)):
        log.info("training: fold %d of %d", fold + 1, config.train.folds)
        fitted = encoder.fit(config, widths, {m: t.where(~held_out[m]) for m, t in train.items()})
        for modalities, sample in _samples(config, fitted, train, sources, plans, held_out):
            samples.setdefault(modalities, []).append(sample)
        scorer = fitted.resolver.scorer
    if not samples:
        raise XmerError("train: no two sources have candidate pairs; see [blocking] and the items' splits")
    return scorer.fit_pairs({m: join_samples(found) for m, found in samples.items()})


def folds(items: Items, count: int, seed: int) -> Iterator[dict[str, np.ndarray]]:
    """Masks of the items of one fold of entities, by modality: each entity is in one fold."""
    entities = np.unique(np.concatenate([table.entity for table in items.values()]))
    fold_of = np.random.default_rng(seed).permutation(len(entities)) % count
    for fold in range(count):
        chosen = entities[fold_of == fold]
        yield {m: np.isin(table.entity, chosen) for m, table in items.items()}


def _samples(
    config: Config,
    fitted: Encoded,
    train: Items,
    sources: Sources,
    plans: Mapping[str, Plan],
    held_out: Mapping[str, np.ndarray],
) -> Iterator[tuple[tuple[str, str], PairSample]]:
    """Candidate pairs with at least one side held out, their evidence and truth, by modality pair."""
    encoded = Encoded.of(fitted.resolver, train)
    for pairs in candidates(encoded, blockers(plans, fitted.codes), sources):
        a, b = pairs.modalities
        pairs = pairs.where(held_out[a][pairs.i] | held_out[b][pairs.j])
        truth = pairs.truth(config.evaluation.task == "class")
        if truth.any():
            rows, share = thinned(truth, config.seed)
            pairs, truth = pairs.where(rows), truth[rows]
            yield pairs.modalities, PairSample(pairs.evidence(), truth, weights(pairs, truth, share, sources))
