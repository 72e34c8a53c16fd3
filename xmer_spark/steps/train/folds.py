"""Pairs that teach a scorer, cross-fitted: each has a record that the space which places it has not seen.

A space tells the pairs that it was fitted on better than any others; a scorer that learnt from those would
promise too much.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xmer_spark.comparisons.comparer import Comparer
from xmer_spark.steps.train.data import TrainingData
from xmer_spark.steps.train.items import Known
from xmer_spark.steps.train.pairs import candidates
from xmer_spark.steps.train.planning import Plans, blockers
from xmer_spark.steps.train.samples import NEGATIVES, Sample, sample, together
from xmer_spark.steps.train.seen import Seen, learnt_from

if TYPE_CHECKING:
    from xmer_spark.config import Config

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fold:
    """The training records as a space sees them that was fitted without those that are held out.

    ``held_out`` are masks of the records of ``seen``, by source.
    """

    seen: Seen
    held_out: dict[str, np.ndarray]


def masks(known: Mapping[str, Known], count: int, seed: int) -> Iterator[dict[str, np.ndarray]]:
    """Masks of the training records of one fold of entities, by source: each entity is in one fold.

    Records of the split validation are in none.
    """
    training = {name: ~each.validation for name, each in known.items()}
    entities = np.unique(np.concatenate([each.entity[training[name]] for name, each in known.items()]))
    fold_of = np.random.default_rng(seed).permutation(len(entities)) % count
    for fold in range(count):
        inside = entities[fold_of == fold]
        yield {name: training[name] & np.isin(each.entity, inside) for name, each in known.items()}


def folds(config: Config, data: TrainingData, comparer: Comparer) -> Iterator[Fold]:
    """Every fold of the training entities, held out from a space that is fitted on the others."""
    count = config.train.folds
    training = {name: ~known.validation for name, known in data.known.items()}
    for fold, held_out in enumerate(masks(data.known, count, config.seed)):
        log.info("training: fold %d of %d", fold + 1, count)
        inside = {m: t.of_records(held_out, data.sources.names) for m, t in data.items.items()}
        learnt = {m: t.where(~t.validation & ~inside[m]) for m, t in data.items.items()}
        _, seen = learnt_from(config, data, comparer, learnt)
        yield Fold(seen.where(training), {name: mask[training[name]] for name, mask in held_out.items()})


def samples(config: Config, data: TrainingData, plans: Plans, parts: Iterable[Fold]) -> list[Sample]:
    """Of each fold the candidate pairs with at least one side held out, with their evidence and truth."""
    by_fold = [list(_samples(config, data, plans, part)) for part in parts]
    return [together(found) for found in by_fold if found]


def _samples(config: Config, data: TrainingData, plans: Plans, part: Fold) -> Iterator[Sample]:
    by_class = config.evaluation.task == "class"
    out = part.held_out
    most = max(NEGATIVES // max(len(data.sources.pairs), 1), 1)
    for pairs in candidates(part.seen, blockers(plans, part.seen), data.sources):
        a, b = pairs.sources
        pairs = pairs.where(out[a][pairs.i] | out[b][pairs.j])
        yield sample(pairs, pairs.truth(by_class), most, config.seed, data)
