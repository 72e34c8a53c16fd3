"""Fits a resolver on training items so that its probabilities do not flatter.

The space is fitted on the training entities. The pair scorer learns from pairs that such a space has not
seen: training entities are cross-fitted, a fold at a time, through the same blocking. Calibration, thresholds
and the validation score come from validation entities, and last the space is fitted again on both; scorer,
calibration and thresholds stay.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.names import direction_name, metric_name
from xmer_spark.resolver.model import Resolver
from xmer_spark.steps.train import encoder, folds, planning, validation
from xmer_spark.steps.train.data import TrainingData
from xmer_spark.steps.train.encoder import Encoded
from xmer_spark.steps.train.planning import Plan

if TYPE_CHECKING:
    from xmer_spark.config import Config

log = logging.getLogger(__name__)

_CURVES = ("correlations_", "losses_", "validation_losses_")


@dataclass(frozen=True)
class Trained:
    """A fitted resolver with what was measured on the way.

    ``judged`` is the resolver before it was fitted again: it has not seen the validation items, and ``score``
    is what it reaches on them.
    """

    resolver: Resolver
    judged: Resolver
    score: float
    metrics: dict[str, float]
    curves: dict[str, list[float]]


def train(config: Config, known: TrainingData) -> Trained:
    """Fit on training items, plan, cross-fit, validate, and fit on everything; needs validation items."""
    items, sources, widths = known.items, known.sources, known.widths
    learnt = {m: table.where(~table.validation) for m, table in items.items()}
    fitted = encoder.fit(config, widths, learnt)
    seen = Encoded.of(fitted.resolver, items)
    plans = planning.decide_all(config, seen, sources)
    scorer = folds.cross_fitted(config, widths, learnt, sources, plans)
    unknown = sorted(set(plans) - set(scorer.coefficients_))
    if unknown:
        log.warning("no labelled matches among %s: these will not be compared", ", ".join(unknown))
    judged = _completed(fitted, scorer, plans)
    seen = replace(seen, resolver=judged)
    metrics = validation.calibrate(config, seen, sources) | _planned(plans)
    held_out = seen.where({m: table.validation for m, table in items.items()})
    precision = validation.average_precision(config, held_out, sources)
    if not precision:
        raise XmerError(
            "train: no two sources have validation items of one thing; "
            "see ingest.split and the sources' split"
        )
    score = float(np.mean(list(precision.values())))
    metrics |= {
        metric_name("validation_map", direction_name(*names)): value for names, value in precision.items()
    }
    final = _completed(encoder.fit(config, widths, items), judged.scorer, plans)
    return Trained(final, judged, score, metrics | {"validation_score": score}, _curves(final))


def _completed(fitted: Encoded, scorer: Any, plans: Mapping[str, Plan]) -> Resolver:
    """With what ``scorer`` has learnt of pairs, and the blockers of the pairs that it can score."""
    resolver = fitted.resolver
    compared = {pair: plan for pair, plan in plans.items() if pair in scorer.coefficients_}
    resolver.scorer.take_pairs(scorer)
    documents = {pair: plan.document() for pair, plan in compared.items()}
    return replace(resolver, blockers=planning.blockers(compared, fitted.codes), plans=documents)


def _planned(plans: Mapping[str, Plan]) -> dict[str, float]:
    chosen = {pair: plan for pair, plan in plans.items() if plan.pairs is not None}
    pairs = {metric_name("planned_pairs", pair): float(plan.pairs or 0.0) for pair, plan in chosen.items()}
    return pairs | {
        metric_name("planned_recall", pair): float(plan.recall or 0.0) for pair, plan in chosen.items()
    }


def _curves(resolver: Resolver) -> dict[str, list[float]]:
    """What the space tells of its own fitting, a value per step."""
    return {
        f"space_{name.rstrip('_')}": np.asarray(values, dtype=float).ravel().tolist()
        for name, values in resolver.space.state().items()
        if name in _CURVES
    }
