"""A monotone correction of log-odds, learnt where the truth is known."""

from __future__ import annotations

import numpy as np

from xmer_spark.numerics.logistic import sigmoid
from xmer_spark.numerics.threads import one_thread

#: How many matches it takes for the data to have as much of a say as the belief that nothing is amiss.
CAUTION = 10.0
#: The slope lies between a tenth and ten, so that the correction never turns the order round.
_STEEPEST = np.log(10.0)

#: Slope and offset of log-odds by the kind of their pair; those of a kind that is not there stay as they are.
Correction = dict[int, tuple[float, float]]


def fit_by_kind(log_odds: np.ndarray, kind: np.ndarray, truth: np.ndarray, weight: np.ndarray) -> Correction:
    """``fit_calibration`` of the pairs (p) of each kind of which a match is known."""
    found = {}
    for each in np.unique(kind[truth]):
        rows = np.flatnonzero(kind == each)
        with one_thread():
            slope, offset = fit_calibration(log_odds[rows], truth[rows], weight[rows])
        found[int(each)] = float(slope), float(offset)
    return found


def fit_calibration(log_odds: np.ndarray, truth: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Slope, positive, and offset of the corrected log-odds ``slope * log_odds + offset``: (2,).

    Platt (1999) scaling that stays near slope 1 and offset 0 while there are few pairs: the weighted log
    loss plus ``CAUTION / 2 (log(slope)^2 + offset^2)``.
    """
    from scipy.optimize import minimize

    scale = CAUTION + weight @ truth  # what is minimised does not grow with the number of pairs

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        slope, offset = np.exp(parameters[0]), parameters[1]
        x = slope * log_odds + offset
        value = weight @ (np.logaddexp(0, x) - truth * x) + 0.5 * CAUTION * parameters @ parameters
        residual = weight * (sigmoid(x) - truth)
        gradient = np.array([slope * (residual @ log_odds), residual.sum()]) + CAUTION * parameters
        return value / scale, gradient / scale

    bounds = [(-_STEEPEST, _STEEPEST), (None, None)]
    found = minimize(
        loss, np.zeros(2), jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-12, "gtol": 1e-7}
    )
    return np.array([np.exp(found.x[0]), found.x[1]])
