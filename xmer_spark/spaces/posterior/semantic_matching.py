"""Every modality mapped to the probabilities of the classes, which then is the common space."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.numerics.linalg import softmax, squared_distances, unit_rows
from xmer_spark.numerics.logistic import fit_classes
from xmer_spark.numerics.rows import in_blocks
from xmer_spark.numerics.threads import one_thread
from xmer_spark.numerics.views import (
    Arrays,
    Labels,
    Pairs,
    Views,
    checked_labels,
    checked_pairs,
    class_numbers,
    one_hot,
)
from xmer_spark.spaces.base import Space
from xmer_spark.spaces.kernel.nystroem import Distances, drawn, features, fit_kernel, kernel_values

#: Folds in which a modality that teaches others gives its posteriors of items that it did not see.
_FOLDS = 4


class SemanticMatching(Space):
    """Semantic matching (Rasiwasia et al. 2010, section 3.3): items are placed by their class posteriors.

    One classifier per modality; where several are named, the mean of their posteriors is taken, weighted
    where ``classifiers`` maps a name to its weight.

    - "logistic": multinomial logistic regression, the paper's choice, with penalty ``|w|^2 / 2C``.
    - "kernel_logistic": the same in the space of the kernel ``exp(-width D(x, y) / median D)``, its
      solution expanded over ``landmarks`` training items (Nystroem: Williams and Seeger 2001). ``kernel``
      says what D is: "rbf", ``|x - y|^2``, or "chi_square", ``sum (x - y)^2 / (x + y)``, for histograms
      (Zhang et al. 2007); it takes no negative features, and leaves them uncentred.
    - "extra_trees": extremely randomised trees (Geurts et al. 2006), ``trees`` of them, each leaf of
      at least ``leaf`` items, each split the best of a ``split_features`` share of the features (None: the
      square root of their number).

    ``similarity`` says what the inner product of two placed items is: the "inner_product" of their
    posteriors, which is the probability of one shared class; their "cosine"; or their "correlation",
    the cosine after each item's mean. ``prior`` discounts frequent classes: the posteriors' products are
    divided by ``p(c)^prior``, so that 0 is the paper's similarity, and 1 makes of "inner_product" the
    ratio ``p(x, y) / (p(x) p(y))``. Features are centred and brought to total variance 1 by modality, so
    that ``C`` means the same for all. Items of label -1 are not used.

    Beyond the paper, ``taught`` lets the modality whose classes are easiest to tell teach the others
    (generalised distillation: Lopez-Paz et al. 2016): their kernel logistic regression and trees learn from
    ``(1 - taught)`` of the label and ``taught`` of the posteriors that the partners of an item have in the
    teacher, out of fold. A photograph of class "sport" whose text reads like "history" then counts as
    some of both. ``pairs`` says who the partners are; without it rows are aligned, or, where modalities
    have unequally many, there is no teaching.
    """

    def __init__(
        self,
        classifiers: Sequence[str] | Mapping[str, float] = ("kernel_logistic", "extra_trees"),
        similarity: str = "inner_product",
        prior: float = 0.0,
        taught: float = 0.0,
        C: float = 1.0,
        kernel: str = "rbf",
        kernel_C: float = 3.0,
        width: float = 1.0,
        landmarks: int = 1000,
        components: int = 300,
        trees: int = 200,
        leaf: int = 3,
        split_features: float | None = None,
        seed: int = 0,
    ) -> None:
        self.classifiers = classifiers
        self.similarity = similarity
        self.prior = prior
        self.taught = taught
        self.C = C
        self.kernel = kernel
        self.kernel_C = kernel_C
        self.width = width
        self.landmarks = landmarks
        self.components = components
        self.trees = trees
        self.leaf = leaf
        self.split_features = split_features
        self.seed = seed

    def _fit(self, views: Views, labels: Labels | None, pairs: Pairs | None) -> None:
        self._check_parameters()
        self.classes_, numbers = class_numbers(checked_labels("semantic matching", views, labels))
        shares = [one_hot(y[y >= 0], len(self.classes_)).mean(axis=0) for y in numbers.values()]
        self.prior_ = np.mean(shares, axis=0)
        self.means_: Arrays = {}
        self.scales_: dict[str, float] = {}
        self.present_: Arrays = {}
        self.models_: dict[str, dict[str, Arrays]] = {}
        for modality, view in views.items():
            known = numbers[modality] >= 0
            self._fit_scale(modality, np.asarray(view[known], np.float64), numbers[modality][known])
        targets = {m: one_hot(y, len(self.classes_)) for m, y in numbers.items()}
        if self.taught:
            self._teach(views, numbers, targets, pairs)
        for modality, view in views.items():
            known, present = numbers[modality] >= 0, self.present_[modality]
            x, target = self._scaled(modality, view[known]), targets[modality][known][:, present]
            y = np.searchsorted(present, numbers[modality][known])
            self.models_[modality] = {c: _CLASSIFIERS[c][0](self, x, y, target) for c in self.classifiers}

    def _transform(self, modality: str, x: np.ndarray) -> np.ndarray:
        """(n, d_m) vectors -> (n, classes) float32, by ``similarity`` of ``posteriors`` over the prior."""
        posteriors = self._posteriors(modality, x) / self.prior_ ** (self.prior / 2)
        return _SIMILARITIES[self.similarity](posteriors)

    def posteriors(self, modality: str, x: np.ndarray) -> np.ndarray:
        """(n, d_m) vectors -> (n, classes) float64 probabilities, rows summing to one."""
        with one_thread():
            return in_blocks(partial(self._posteriors, modality), x, np.float64)

    def _posteriors(self, modality: str, x: np.ndarray) -> np.ndarray:
        result = np.zeros((len(x), len(self.classes_)))
        scaled = self._scaled(modality, x)
        for classifier, model in self.models_[modality].items():
            found = _CLASSIFIERS[classifier][1](self, model, scaled)
            result[:, self.present_[modality]] += self._weight(classifier) * found
        return result

    def _weight(self, classifier: str) -> float:
        if isinstance(self.classifiers, Mapping):
            return self.classifiers[classifier] / sum(self.classifiers.values())
        return 1 / len(self.classifiers)

    def _fit_scale(self, modality: str, x: np.ndarray, y: np.ndarray) -> None:
        # A modality may lack some of the classes; its classifiers then know nothing of these.
        self.present_[modality] = np.unique(y)
        if len(self.present_[modality]) < 2:
            raise XmerError(f"semantic matching: {modality} has items of one class only")
        histograms = self.kernel == "chi_square"
        self.means_[modality] = np.zeros(x.shape[1]) if histograms else x.mean(axis=0)
        self.scales_[modality] = float(1 / np.sqrt(max(x.var(axis=0).sum(), 1e-12)))

    def _teach(self, views: Views, numbers: Arrays, targets: Arrays, pairs: Pairs | None) -> None:
        """Blend what the best told modality says of an item's partners into the ``targets`` of the others."""
        guesses = {m: self._out_of_fold(m, view, numbers[m]) for m, view in views.items()}
        teacher = min(guesses, key=lambda m: _log_loss(guesses[m], numbers[m]))
        for modality, index in _partners(views, pairs, teacher).items():
            rows, partners = index[numbers[modality][index[:, 0]] >= 0].T
            lesson = np.zeros_like(targets[modality])
            np.add.at(lesson, rows, guesses[teacher][partners])
            lesson *= np.isin(np.arange(lesson.shape[1]), self.present_[modality])
            total = lesson.sum(axis=1, keepdims=True)
            # Where no partner has a label, its row of guesses is zero, and the own label stays.
            blend = (1 - self.taught) * targets[modality] + self.taught * lesson / np.maximum(total, 1e-300)
            targets[modality] = np.where(total > 0, blend, targets[modality])

    def _out_of_fold(self, modality: str, view: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """Posteriors (n, classes) of the labelled items, each by a classifier that did not see it."""
        known = np.flatnonzero(numbers >= 0)
        x, y = self._scaled(modality, view[known]), numbers[known]
        mixed = np.lexsort((np.random.default_rng(self.seed).random(len(y)), y))
        fold = np.empty(len(y), dtype=np.int64)
        fold[mixed] = np.arange(len(y)) % _FOLDS  # every class spread over all of them
        result = np.zeros((len(view), len(self.classes_)))
        for left_out in range(_FOLDS):
            seen, unseen = fold != left_out, np.flatnonzero(fold == left_out)
            present, own = np.unique(y[seen], return_inverse=True)
            model = fit_kernel_logistic(self, x[seen], own, one_hot(own, len(present)))
            result[np.ix_(known[unseen], present)] = kernel_logistic_posteriors(self, model, x[unseen])
        return result

    def _check_parameters(self) -> None:
        if not self.classifiers or not set(self.classifiers) <= set(_CLASSIFIERS):
            known = ", ".join(_CLASSIFIERS)
            raise XmerError(f"semantic matching: unknown classifiers {self.classifiers!r}; known: {known}")
        for what, name, among in (
            ("similarity", self.similarity, _SIMILARITIES),
            ("kernel", self.kernel, _DISTANCES),
        ):
            if name not in among:
                raise XmerError(f"semantic matching: unknown {what} {name!r}; known: {', '.join(among)}")
        if not 0 <= self.taught <= 1:
            raise XmerError(f"semantic matching: taught must be from 0 to 1, not {self.taught}")

    def _scaled(self, modality: str, x: np.ndarray) -> np.ndarray:
        return (x - self.means_[modality]) * self.scales_[modality]


def fit_logistic(space: SemanticMatching, x: np.ndarray, y: np.ndarray, targets: np.ndarray) -> Arrays:
    """Weights (d, c) and biases (c) of multinomial logistic regression of ``y`` (n) on ``x`` (n, d)."""
    weights, biases = fit_classes(x, y, space.C)
    return {"weights": weights, "biases": biases}


def logistic_posteriors(space: SemanticMatching, model: Arrays, x: np.ndarray) -> np.ndarray:
    return softmax(x @ model["weights"] + model["biases"])


def fit_kernel_logistic(space: SemanticMatching, x: np.ndarray, y: np.ndarray, targets: np.ndarray) -> Arrays:
    """Logistic regression on the features ``k(x, landmarks) U s^(-1/2)``, as weights of the landmarks."""
    distances = _DISTANCES[space.kernel]
    landmarks = drawn(x, space.landmarks, np.random.default_rng(space.seed))
    kernel = fit_kernel(landmarks, space.width, space.components, distances)
    weights, biases = soft_logistic(features(kernel, x, distances), targets, space.kernel_C)
    directions = kernel.pop("directions")
    return {**kernel, "weights": directions @ weights, "biases": biases}


def kernel_logistic_posteriors(space: SemanticMatching, model: Arrays, x: np.ndarray) -> np.ndarray:
    return softmax(kernel_values(model, x, _DISTANCES[space.kernel]) @ model["weights"] + model["biases"])


def soft_logistic(x: np.ndarray, targets: np.ndarray, C: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights (d, c) and biases (c) with the least ``|W|^2 / 2C - sum targets log softmax(x W + b)``.

    ``targets`` (n, c) are rows of probabilities; one-hot ones make it multinomial logistic regression.
    """
    from scipy.optimize import minimize

    shape = (x.shape[1] + 1, targets.shape[1])

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights, bias = np.split(flat.reshape(shape), [-1])
        logits = x @ weights + bias
        logits -= logits.max(axis=1, keepdims=True)
        logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
        excess = C * (np.exp(logits) - targets)
        gradient = np.vstack([x.T @ excess + weights, excess.sum(axis=0)])
        return float((weights**2).sum() / 2 - C * (targets * logits).sum()), gradient.ravel()

    options = {"maxiter": 1000, "ftol": 1e-8}
    found = minimize(loss, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B", options=options)
    weights, bias = np.split(found.x.reshape(shape), [-1])
    return weights, bias[0]


def chi_square_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """``sum_d (x_d - y_d)^2 / (x_d + y_d)`` of histograms (n, d) and (m, d), as (n, m).

    >>> chi_square_distances(np.array([[1.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 1.0]])).tolist()
    [[0.0, 2.0]]
    """
    from sklearn.metrics.pairwise import additive_chi2_kernel

    if min(x.min(initial=0), y.min(initial=0)) < 0:
        raise XmerError("semantic matching: the chi-square kernel takes no negative features")
    return 0.0 - np.asarray(additive_chi2_kernel(x, y))


def fit_extra_trees(space: SemanticMatching, x: np.ndarray, y: np.ndarray, targets: np.ndarray) -> Arrays:
    """The nodes of all trees, one after another; a leaf is its own child, so that a walk may pass its end.

    They are regression trees of the targets' rows: of one-hot rows their splits are those of Gini impurity,
    and a leaf's mean is its shares of the classes.
    """
    from sklearn.ensemble import ExtraTreesRegressor

    forest = ExtraTreesRegressor(
        space.trees,
        min_samples_leaf=space.leaf,
        max_features="sqrt" if space.split_features is None else space.split_features,
        random_state=space.seed,
    )
    trees = [estimator.tree_ for estimator in forest.fit(x, targets).estimators_]
    roots = np.cumsum([0, *(tree.node_count for tree in trees)])
    here = np.arange(roots[-1])
    start = np.repeat(roots[:-1], np.diff(roots))
    left, right, feature, threshold = (
        np.concatenate([getattr(tree, name) for tree in trees])
        for name in ("children_left", "children_right", "feature", "threshold")
    )
    leaf = left < 0
    value = np.concatenate([tree.value[:, :, 0] for tree in trees])
    return {
        "roots": roots[:-1],
        "left": np.where(leaf, here, left + start),
        "right": np.where(leaf, here, right + start),
        "feature": np.where(leaf, 0, feature),
        "threshold": threshold,
        "value": (value / value.sum(axis=1, keepdims=True)).astype(np.float32),
    }


def extra_trees_posteriors(space: SemanticMatching, model: Arrays, x: np.ndarray) -> np.ndarray:
    x = x.astype(np.float32)  # in which the trees were grown
    items = np.arange(len(x))[:, None]
    node, before = np.tile(model["roots"], (len(x), 1)), None  # (n, trees): all walks at once
    while before is None or (node != before).any():
        before = node
        goes_left = x[items, model["feature"][node]] <= model["threshold"][node]
        node = np.where(goes_left, model["left"][node], model["right"][node])
    total = np.zeros((len(x), model["value"].shape[1]))
    for leaves in node.T:
        total += model["value"][leaves]
    return total / len(model["roots"])


_CLASSIFIERS: dict[str, tuple[Callable[..., Arrays], Callable[..., np.ndarray]]] = {
    "logistic": (fit_logistic, logistic_posteriors),
    "kernel_logistic": (fit_kernel_logistic, kernel_logistic_posteriors),
    "extra_trees": (fit_extra_trees, extra_trees_posteriors),
}

_DISTANCES: dict[str, Distances] = {
    "rbf": squared_distances,
    "chi_square": chi_square_distances,
}

_SIMILARITIES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "inner_product": lambda p: p,
    "cosine": unit_rows,
    "correlation": lambda p: unit_rows(p - p.mean(axis=1, keepdims=True)),
}


def _log_loss(posteriors: np.ndarray, y: np.ndarray) -> float:
    """Mean of ``-log p(y)`` over the items of known class."""
    known = np.flatnonzero(y >= 0)
    return float(-np.log(np.maximum(posteriors[known, y[known]], 1e-12)).mean())


def _partners(views: Views, pairs: Pairs | None, teacher: str) -> Arrays:
    """Modality to (p, 2) rows: of one of its items, and of the ``teacher``'s item that is its partner."""
    if pairs is None and len({len(view) for view in views.values()}) > 1:
        pairs = {}
    pairs = checked_pairs(views, pairs)
    found: dict[str, list[np.ndarray]] = {}
    for (a, b), index in pairs.items():
        if teacher in (a, b) and a != b:
            found.setdefault(b if a == teacher else a, []).append(index[:, ::-1] if a == teacher else index)
    return {modality: np.vstack(parts) for modality, parts in found.items()}
