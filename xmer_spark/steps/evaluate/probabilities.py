"""Whether match probabilities come true, and what each threshold on them would be worth."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from xmer_spark.evaluation import calibration
from xmer_spark.evaluation.curves import precision_recall_curve
from xmer_spark.names import by_itself, metric_name
from xmer_spark.steps.evaluate.held_out import Scored
from xmer_spark.store.runs import Metric

#: Of the histogram of probabilities.
EDGES = np.linspace(0, 1, 41)


def metrics(pair: str, scored: Scored, true: int, level: float) -> Iterator[Metric]:
    """The curve over thresholds, calibration and histogram of the scored pairs of two kinds.

    Once of what was decided of each pair beside its rivals, and once of each pair's probability by itself.
    ``true`` is the number of all true pairs, scored or not. Nothing where there is neither a scored nor a
    true pair.
    """
    if len(scored.true) or true:
        yield from _of(pair, scored.decided, scored.true, true, level, str)
        yield from _of(pair, scored.probability, scored.true, true, level, by_itself)


def _of(
    pair: str,
    probability: np.ndarray,
    right: np.ndarray,
    true: int,
    level: float,
    named: Callable[[str], str],
) -> Iterator[Metric]:
    """``right`` (p) says which of the pairs are true, and ``named`` turns a measure into its name."""
    yield _curve(metric_name(named("average_precision"), pair), probability, right, true - int(right.sum()))
    if len(probability):
        yield _calibration(metric_name(named("calibration_error"), pair), probability, right, level)
        yield Metric(metric_name(named("brier"), pair), calibration.brier(probability, right))
        yield _histogram(metric_name(named("scored_pairs"), pair), probability, right)


def _curve(name: str, probability: np.ndarray, right: np.ndarray, missed: int) -> Metric:
    curve = precision_recall_curve(probability, right, missed)
    thinned = curve.thinned()
    return Metric(
        name,
        curve.average_precision,
        detail={
            "threshold": thinned.threshold.tolist(),
            "precision": thinned.precision.tolist(),
            "recall": thinned.recall.tolist(),
        },
    )


def _calibration(name: str, probability: np.ndarray, right: np.ndarray, level: float) -> Metric:
    """The calibration error, and the reliability in bins of equal width.

    These are for the eye: most pairs are improbable, and bins of equal mass would hide the rest.
    """
    bins = calibration.reliability(probability, right, equal="width", level=level)
    return Metric(
        name,
        calibration.reliability(probability, right).expected_calibration_error,
        detail={
            "probability": bins.probability.tolist(),
            "observed": bins.observed.tolist(),
            "interval": [bins.low.tolist(), bins.high.tolist()],
            "count": bins.count.tolist(),
        },
    )


def _histogram(name: str, probability: np.ndarray, right: np.ndarray) -> Metric:
    return Metric(
        name,
        float(len(probability)),
        detail={
            "edges": EDGES.tolist(),
            "right": np.histogram(probability[right], EDGES)[0].tolist(),
            "wrong": np.histogram(probability[~right], EDGES)[0].tolist(),
        },
    )
