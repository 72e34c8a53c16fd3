"""Ridge-regularised logistic regression: of weighted truth, and of classes."""

from __future__ import annotations

from typing import Any

import numpy as np


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), without overflow.

    >>> sigmoid(np.array([0.0, -1e9])).tolist()
    [0.5, 0.0]
    """
    return 0.5 * (1 + np.tanh(0.5 * x))


def fit_logistic(
    design: np.ndarray, truth: np.ndarray, weight: np.ndarray, penalty: float, iterations: int = 100
) -> np.ndarray:
    """Coefficients (k,) for the columns of ``design`` (n, k), of which the last is the constant.

    Newton's method on the weighted log loss plus ``penalty / 2 |b|^2`` over all but the constant.
    """
    ridge = np.full(design.shape[1], penalty)
    ridge[-1] = 1e-9
    coefficients = np.zeros(design.shape[1])
    rate = np.clip(np.average(truth, weights=weight), 1e-9, 1 - 1e-9)
    coefficients[-1] = np.log(rate / (1 - rate))
    loss = _loss(design, truth, weight, ridge, coefficients)
    for _ in range(iterations):
        probability = sigmoid(design @ coefficients)
        gradient = design.T @ (weight * (probability - truth)) + ridge * coefficients
        curvature = (design.T * (weight * probability * (1 - probability))) @ design + np.diag(ridge + 1e-9)
        step = np.linalg.solve(curvature, gradient)
        size = 1.0
        while (new := _loss(design, truth, weight, ridge, coefficients - size * step)) > loss and size > 1e-6:
            size /= 2
        coefficients = coefficients - size * step
        if loss - new <= 1e-10 * abs(loss):
            break
        loss = new
    return coefficients


def fit_classes(
    x: np.ndarray, y: np.ndarray, C: float, iterations: int = 1000
) -> tuple[np.ndarray, np.ndarray]:
    """Weights (d, c) and biases (c) of multinomial logistic regression of classes y (n) on x (n, d).

    The penalty is ``|w|^2 / 2C``; the columns are those of the sorted classes.
    """
    from sklearn.linear_model import LogisticRegression

    fitted: Any = LogisticRegression(C=C, max_iter=iterations).fit(x, y)
    weights, biases = fitted.coef_.T, fitted.intercept_
    if len(biases) == 1:  # of two classes, scikit-learn keeps the second one's logit only
        weights, biases = np.hstack([-weights, weights]) / 2, np.append(-biases, biases) / 2
    return weights, biases


def _loss(
    design: np.ndarray, truth: np.ndarray, weight: np.ndarray, ridge: np.ndarray, coefficients: np.ndarray
) -> float:
    logit = design @ coefficients
    return float(weight @ (np.logaddexp(0, logit) - truth * logit) + 0.5 * ridge @ coefficients**2)
