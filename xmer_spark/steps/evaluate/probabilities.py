"""Whether match probabilities come true, and what each threshold on them would be worth."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from xmer_spark.evaluation import calibration
from xmer_spark.evaluation.curves import precision_recall_curve
from xmer_spark.names import metric_name
from xmer_spark.store.runs import Metric

#: Of the histogram of probabilities.
EDGES = np.linspace(0, 1, 41)


def metrics(
    pair: str, probability: np.ndarray, right: np.ndarray, true: int, threshold: float, level: float
) -> Iterator[Metric]:
    """The curve over thresholds, calibration and histogram of one modality pair's scored pairs (p).

    ``right`` (p) says which of them are true, and ``true`` is the number of all true pairs, scored or not;
    ``threshold`` is the one in force. Nothing where there is neither a scored nor a true pair.
    """
    if not len(probability) and not true:
        return
    yield Metric(metric_name("threshold", pair), threshold)
    yield _curve(pair, probability, right, true - int(right.sum()))
    if len(probability):
        yield _calibration(pair, probability, right, level)
        yield Metric(metric_name("brier", pair), calibration.brier(probability, right))
        yield _histogram(pair, probability, right)


def _curve(pair: str, probability: np.ndarray, right: np.ndarray, missed: int) -> Metric:
    curve = precision_recall_curve(probability, right, missed)
    thinned = curve.thinned()
    return Metric(
        metric_name("average_precision", pair),
        curve.average_precision,
        detail={
            "threshold": thinned.threshold.tolist(),
            "precision": thinned.precision.tolist(),
            "recall": thinned.recall.tolist(),
        },
    )


def _calibration(pair: str, probability: np.ndarray, right: np.ndarray, level: float) -> Metric:
    """The calibration error, and the reliability in bins of equal width.

    These are for the eye: most pairs are improbable, and bins of equal mass would hide the rest.
    """
    bins = calibration.reliability(probability, right, equal="width", level=level)
    return Metric(
        metric_name("calibration_error", pair),
        calibration.reliability(probability, right).expected_calibration_error,
        detail={
            "probability": bins.probability.tolist(),
            "observed": bins.observed.tolist(),
            "interval": [bins.low.tolist(), bins.high.tolist()],
            "count": bins.count.tolist(),
        },
    )


def _histogram(pair: str, probability: np.ndarray, right: np.ndarray) -> Metric:
    return Metric(
        metric_name("scored_pairs", pair),
        float(len(probability)),
        detail={
            "edges": EDGES.tolist(),
            "right": np.histogram(probability[right], EDGES)[0].tolist(),
            "wrong": np.histogram(probability[~right], EDGES)[0].tolist(),
        },
    )
