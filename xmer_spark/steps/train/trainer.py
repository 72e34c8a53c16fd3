"""Fits a resolver so that its probabilities do not flatter, with labels or with none.

With labels, the space is fitted on the training entities. The pair scorer learns from pairs that such a space
has not seen: training entities are cross-fitted, a fold at a time, through the same blocking. Calibration,
slack, correction, threshold and the validation score come from validation entities, and last the space is
fitted again on both; scorer, calibration, slack, correction and threshold stay.

Without labels, contents of one modality are compared as they are, those of two where records hold both. The
scorer learns from all candidate pairs what matches look like, and its word is not checked.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xmer_spark.comparisons.comparer import Comparer
from xmer_spark.errors import XmerError
from xmer_spark.names import direction_name, metric_name
from xmer_spark.resolver.encoder import Encoder
from xmer_spark.resolver.model import Resolver
from xmer_spark.steps.described import contents, fields
from xmer_spark.steps.train import encoder, folds, planning, unlabelled, validation
from xmer_spark.steps.train.data import TrainingData
from xmer_spark.steps.train.pairs import Seen, candidates
from xmer_spark.steps.train.planning import Plans

if TYPE_CHECKING:
    from xmer_spark.config import Config

log = logging.getLogger(__name__)

_CURVES = ("correlations_", "losses_", "validation_losses_")


@dataclass(frozen=True)
class Trained:
    """A fitted resolver with what was measured on the way.

    ``judged`` is the resolver before it was fitted again: it has not seen the validation records, and
    ``score`` is what it reaches on them; None where there are no labels to tell.
    """

    resolver: Resolver
    judged: Resolver
    score: float | None
    metrics: dict[str, float]
    curves: dict[str, list[float]]


def train(config: Config, data: TrainingData) -> Trained:
    """A resolver of these records; with labels it needs validation records, too."""
    comparer = Comparer(_fields(config, data), contents(config)).fit(data.population)
    return with_labels(config, data, comparer) if data.labelled else without_labels(config, data, comparer)


def with_labels(config: Config, data: TrainingData, comparer: Comparer) -> Trained:
    """Fit on training records, plan, cross-fit, validate, and fit on everything."""
    learnt = {m: table.where(~table.validation) for m, table in data.items.items()}
    fitted = encoder.fit(config, data.widths, learnt)
    seen = _seen(data, comparer, fitted)
    plans = planning.decide_all(config, seen, data)
    scorer = folds.cross_fitted(config, data, comparer, plans)
    judged = Resolver(fitted, seen.comparer, scorer, planning.blockers(plans, seen), _documents(plans))
    metrics = validation.calibrate(config, judged, seen, data) | _planned(plans)
    held_out = seen.where({name: known.validation for name, known in seen.known.items()})
    precision = validation.average_precision(config, judged, held_out, data.sources)
    if not precision:
        raise XmerError(
            "train: no two validation records are of one thing; see ingest.split and the sources' split"
        )
    score = float(np.mean(list(precision.values())))
    metrics |= {
        metric_name("validation_map", direction_name(*names)): value for names, value in precision.items()
    }
    final = encoder.fit(config, data.widths, data.items)
    after = _seen(data, comparer, final)
    resolver = Resolver(
        final,
        after.comparer,
        scorer,
        planning.lasting(planning.blockers(plans, after)),
        judged.plans,
        judged.slack,
        judged.threshold,
        judged.correction,
    )
    return Trained(resolver, judged, score, metrics | {"validation_score": score}, _curves(final))


def without_labels(config: Config, data: TrainingData, comparer: Comparer) -> Trained:
    """Fit on all records: what matches look like is learnt from the candidate pairs themselves."""
    fitted = encoder.fit(config, data.widths, data.items)
    seen = _seen(data, comparer, fitted)
    plans = planning.decide_all(config, seen, data)
    blockers = planning.blockers(plans, seen)
    found = list(candidates(seen, blockers, data.sources))
    scorer, slack = unlabelled.scorer_and_slack(config, data, found, seen.comparer.names)
    lasting = planning.lasting(blockers)
    resolver = Resolver(fitted, seen.comparer, scorer, lasting, _documents(plans), slack)
    return Trained(resolver, resolver, None, _planned(plans), _curves(fitted))


def _fields(config: Config, data: TrainingData) -> dict[str, str]:
    """The text and scalar fields that any of the records has."""
    present = {name for records in data.population for name in records.columns}
    return {name: type_ for name, type_ in fields(config).items() if name in present}


def _seen(data: TrainingData, comparer: Comparer, fitted: Encoder | None) -> Seen:
    """The records as a resolver with this encoder sees them."""
    surroundings = fitted.surroundings if fitted is not None else None
    return Seen(encoder.placed(fitted, data.known, data.items, data.sources), comparer.around(surroundings))


def _documents(plans: Plans) -> dict[str, dict[str, object]]:
    return {direction_name(*pair): plan.document() for pair, plan in plans.items()}


def _planned(plans: Plans) -> dict[str, float]:
    found: dict[str, float] = {}
    for pair, plan in plans.items():
        name = direction_name(*pair)
        if plan.pairs is not None:
            found[metric_name("planned_pairs", name)] = plan.pairs
        if plan.recall is not None:
            found[metric_name("planned_recall", name)] = plan.recall
    return found


def _curves(fitted: Encoder | None) -> dict[str, list[float]]:
    """What the space tells of its own fitting, a value per step."""
    state: Mapping[str, object] = fitted.space.state() if fitted is not None else {}
    return {
        f"space_{name.rstrip('_')}": np.asarray(values, dtype=float).ravel().tolist()
        for name, values in state.items()
        if name in _CURVES
    }
