"""Every modality mapped to the probabilities of the classes, which then is the common space."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.spaces.base import Labels, Pairs, Space, Views, chunks, unit_rows
from xmer_spark.spaces.kcca import squared_distances

#: Rows that are classified at a time.
_ROWS = 4096


class SemanticMatching(Space):
    """Semantic matching (Rasiwasia et al. 2010, section 3.3): items are placed by their class posteriors.

    One classifier a modality; where several are named, the mean of their posteriors is taken.

    - "logistic": multinomial logistic regression, the paper's choice, with penalty ``|w|^2 / 2C``.
    - "kernel_logistic": the same in the space of the kernel ``exp(-width |x - y|^2 / median |x - y|^2)``,
      its solution expanded over ``landmarks`` training items (Nystroem: Williams and Seeger 2001).
    - "extra_trees": extremely randomised trees (Geurts et al. 2006), ``trees`` of them, each leaf of
      at least ``leaf`` items.

    ``similarity`` says what the inner product of two placed items is: the "inner_product" of their
    posteriors, which is the probability of one shared class; their "cosine"; or their "correlation",
    the cosine after each item's mean. Features are centred and brought to total variance 1 by
    modality, so that ``C`` means the same for all. Items of label -1 and ``pairs`` are not used.
    """

    def __init__(
        self,
        classifiers: Sequence[str] = ("kernel_logistic", "extra_trees"),
        similarity: str = "inner_product",
        C: float = 1.0,
        kernel_C: float = 3.0,
        width: float = 1.0,
        landmarks: int = 1000,
        components: int = 300,
        trees: int = 200,
        leaf: int = 3,
        seed: int = 0,
    ) -> None:
        self.classifiers = classifiers
        self.similarity = similarity
        self.C = C
        self.kernel_C = kernel_C
        self.width = width
        self.landmarks = landmarks
        self.components = components
        self.trees = trees
        self.leaf = leaf
        self.seed = seed

    def fit(self, views: Views, labels: Labels | None = None, pairs: Pairs | None = None) -> Self:
        self._check_names()
        self.classes_, numbers = class_numbers("semantic matching", views, labels)
        self.means_: Arrays = {}
        self.scales_: dict[str, float] = {}
        self.present_: Arrays = {}
        self.models_: dict[str, dict[str, Arrays]] = {}
        for modality, view in views.items():
            known = numbers[modality] >= 0
            self._fit_modality(modality, np.asarray(view[known], np.float64), numbers[modality][known])
        return self

    def transform(self, modality: str, x: np.ndarray) -> np.ndarray:
        """(n, d_m) vectors -> (n, classes) float32, by ``similarity`` of ``posteriors``."""
        return _SIMILARITIES[self.similarity](self.posteriors(modality, x)).astype(np.float32)

    def posteriors(self, modality: str, x: np.ndarray) -> np.ndarray:
        """(n, d_m) vectors -> (n, classes) float64 probabilities, rows summing to one."""
        result = np.zeros((len(x), len(self.classes_)))
        for rows in chunks(len(x), _ROWS):
            scaled = self._scaled(modality, x[rows])
            found = [_CLASSIFIERS[c][1](model, scaled) for c, model in self.models_[modality].items()]
            result[rows, self.present_[modality]] = np.mean(found, axis=0)
        return result

    def _fit_modality(self, modality: str, x: np.ndarray, numbers: np.ndarray) -> None:
        # A modality may lack some of the classes; its classifiers then know nothing of these.
        present, y = np.unique(numbers, return_inverse=True)
        if len(present) < 2:
            raise XmerError(f"semantic matching: {modality} has items of one class only")
        self.present_[modality] = present
        self.means_[modality] = x.mean(axis=0)
        self.scales_[modality] = float(1 / np.sqrt(max(x.var(axis=0).sum(), 1e-12)))
        x = self._scaled(modality, x)
        self.models_[modality] = {name: _CLASSIFIERS[name][0](self, x, y) for name in self.classifiers}

    def _check_names(self) -> None:
        if not self.classifiers or not set(self.classifiers) <= set(_CLASSIFIERS):
            known = ", ".join(_CLASSIFIERS)
            raise XmerError(f"semantic matching: unknown classifiers {self.classifiers!r}; known: {known}")
        if self.similarity not in _SIMILARITIES:
            known = ", ".join(_SIMILARITIES)
            raise XmerError(f"semantic matching: unknown similarity {self.similarity!r}; known: {known}")

    def _scaled(self, modality: str, x: np.ndarray) -> np.ndarray:
        return (x - self.means_[modality]) * self.scales_[modality]


Arrays = dict[str, np.ndarray]


def fit_logistic(space: SemanticMatching, x: np.ndarray, y: np.ndarray) -> Arrays:
    """Weights (d, c) and biases (c) of multinomial logistic regression of ``y`` (n) on ``x`` (n, d)."""
    return _logistic(x, y, space.C)


def logistic_posteriors(model: Arrays, x: np.ndarray) -> np.ndarray:
    return softmax(x @ model["weights"] + model["biases"])


def fit_kernel_logistic(space: SemanticMatching, x: np.ndarray, y: np.ndarray) -> Arrays:
    """Logistic regression on the features ``k(x, landmarks) U s^(-1/2)``, as weights of the landmarks."""
    from scipy.linalg import eigh

    random = np.random.default_rng(space.seed)
    landmarks = x[np.sort(random.permutation(len(x))[: space.landmarks])]
    distances = squared_distances(landmarks, landmarks)
    apart = distances[np.triu_indices(len(landmarks), 1)]
    scale = np.array(space.width / max(float(np.median(apart)), 1e-12))
    kept = min(space.components, len(landmarks))
    values, vectors = eigh(
        np.exp(-scale * distances), subset_by_index=(len(landmarks) - kept, len(landmarks) - 1)
    )
    sound = values > 1e-8 * len(landmarks)
    features = vectors[:, sound] / np.sqrt(values[sound])
    model = _logistic(_kernel(x, landmarks, scale) @ features, y, space.kernel_C)
    return {
        "landmarks": landmarks,
        "scale": scale,
        "weights": features @ model["weights"],
        "biases": model["biases"],
    }


def kernel_logistic_posteriors(model: Arrays, x: np.ndarray) -> np.ndarray:
    kernel = _kernel(x, model["landmarks"], model["scale"])
    return softmax(kernel @ model["weights"] + model["biases"])


def fit_extra_trees(space: SemanticMatching, x: np.ndarray, y: np.ndarray) -> Arrays:
    """The nodes of all trees, one after another; a leaf is its own child, so that a walk may pass its end."""
    from sklearn.ensemble import ExtraTreesClassifier

    forest = ExtraTreesClassifier(space.trees, min_samples_leaf=space.leaf, random_state=space.seed)
    trees = [estimator.tree_ for estimator in forest.fit(x, y).estimators_]
    roots = np.cumsum([0, *(tree.node_count for tree in trees)])
    here = np.arange(roots[-1])
    start = np.repeat(roots[:-1], np.diff(roots))
    left, right, feature, threshold = (
        np.concatenate([getattr(tree, name) for tree in trees])
        for name in ("children_left", "children_right", "feature", "threshold")
    )
    leaf = left < 0
    value = np.concatenate([tree.value[:, 0, :] for tree in trees])
    return {
        "roots": roots[:-1],
        "left": np.where(leaf, here, left + start),
        "right": np.where(leaf, here, right + start),
        "feature": np.where(leaf, 0, feature),
        "threshold": threshold,
        "value": (value / value.sum(axis=1, keepdims=True)).astype(np.float32),
    }


def extra_trees_posteriors(model: Arrays, x: np.ndarray) -> np.ndarray:
    x = x.astype(np.float32)  # in which the trees were grown
    items = np.arange(len(x))
    total = np.zeros((len(x), model["value"].shape[1]))
    for root in model["roots"]:
        node, before = np.full(len(x), root), None
        while before is None or (node != before).any():
            before = node
            goes_left = x[items, model["feature"][node]] <= model["threshold"][node]
            node = np.where(goes_left, model["left"][node], model["right"][node])
        total += model["value"][node]
    return total / len(model["roots"])


_CLASSIFIERS: dict[str, tuple[Callable[..., Arrays], Callable[[Arrays, np.ndarray], np.ndarray]]] = {
    "logistic": (fit_logistic, logistic_posteriors),
    "kernel_logistic": (fit_kernel_logistic, kernel_logistic_posteriors),
    "extra_trees": (fit_extra_trees, extra_trees_posteriors),
}

_SIMILARITIES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "inner_product": lambda p: p,
    "cosine": unit_rows,
    "correlation": lambda p: unit_rows(p - p.mean(axis=1, keepdims=True)),
}


def class_numbers(method: str, views: Views, labels: Labels | None) -> tuple[np.ndarray, Arrays]:
    """The sorted classes (c) of all modalities, and each item's number among them, -1 where unknown."""
    if labels is None:
        raise XmerError(f"{method} learns from class labels, and there are none")
    for modality, view in views.items():
        own = labels.get(modality)
        if own is None or len(own) != len(view):
            raise XmerError(
                f"{method}: {modality} needs {len(view)} labels, not {0 if own is None else len(own)}"
            )
        if not (own >= 0).any():
            raise XmerError(f"{method}: no item of {modality} has a label")
    given = {m: np.asarray(labels[m]) for m in views}
    classes = np.unique(np.concatenate([y[y >= 0] for y in given.values()]))
    return classes, {m: np.where(y >= 0, np.searchsorted(classes, y), -1) for m, y in given.items()}


def softmax(logits: np.ndarray) -> np.ndarray:
    """Rows of probabilities.

    >>> softmax(np.array([[0.0, 0.0]])).tolist()
    [[0.5, 0.5]]
    """
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    result: np.ndarray = exponentials / exponentials.sum(axis=1, keepdims=True)
    return result


def _logistic(x: np.ndarray, y: np.ndarray, C: float) -> Arrays:
    from sklearn.linear_model import LogisticRegression

    fitted: Any = LogisticRegression(C=C, max_iter=1000).fit(x, y)
    weights, biases = fitted.coef_.T, fitted.intercept_
    if len(biases) == 1:  # of two classes, scikit-learn keeps the second one's logit only
        weights, biases = np.hstack([np.zeros_like(weights), weights]), np.append(0.0, biases)
    return {"weights": weights, "biases": biases}


def _kernel(x: np.ndarray, y: np.ndarray, scale: np.ndarray) -> np.ndarray:
    kernel: np.ndarray = np.exp(-scale * squared_distances(x, y))
    return kernel
