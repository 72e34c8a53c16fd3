"""Linear maps of every modality to the class labels that select features and keep neighbours together."""

from __future__ import annotations

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.numerics.neighbours import neighbour_graph
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

#: The l2,1 norm takes a row u as (|u|^2 + this)^(1/2), which has a derivative where u is 0.
_SMOOTHING = 1e-8


class JFSSL(Space):
    """Joint feature selection and subspace learning (Wang, He, Wang, Wang and Tan 2016).

    "Joint Feature Selection and Subspace Learning for Cross-Modal Retrieval", TPAMI. One map U_m (d_m, c)
    per modality; together they minimise, over N items in all::

        (sum_m |X_m U_m - Y_m|_F^2 + graph sum_ab tr(U_a' X_a' L_ab X_b U_b)) / N + sparsity sum_m |U_m|_2,1

    Y holds one-hot labels, L is the Laplacian of a graph of all items: one of a modality is joined to its
    ``neighbours`` nearest, with heat kernel weights, and to those of other modalities that share its
    class or are paired with it. An iteration gives each U_m in turn its minimum given the others, with a
    quadratic in place of the l2,1 norm that touches it from above (iterative reweighting, as in the
    paper), so the objective, kept in ``losses_``, never rises. Similarity is the inner product of the
    labels that the maps predict.

    Deviations: edges between items that are paired but not of one class are, as far as we know, ours;
    features are centred and brought to total variance 1 by modality, and labels are
    centred, the mean of Y being added again when an item is placed. The first terms are divided by N,
    and edges scaled so that an item's to its neighbours, or to one class of another modality, sum to
    about one: parameters then mean the same for few items and many. An item of label -1 takes part
    in the graph only.
    """

    def __init__(
        self,
        sparsity: float = 1e-3,
        graph: float = 0.1,
        neighbours: int = 10,
        iterations: int = 50,
        tolerance: float = 1e-5,
    ) -> None:
        self.sparsity = sparsity
        self.graph = graph
        self.neighbours = neighbours
        self.iterations = iterations
        self.tolerance = tolerance

    def _fit(self, views: Views, labels: Labels | None, pairs: Pairs | None) -> None:
        if self.sparsity <= 0:
            raise XmerError("JFSSL: sparsity must be above 0, or the maps are not determined")
        self.classes_, numbers = class_numbers(checked_labels("JFSSL", views, labels))
        pairs = checked_pairs(views, pairs)
        self.means_: Arrays = {}
        self.scales_: dict[str, float] = {}
        for m, view in views.items():
            labelled = np.asarray(view[numbers[m] >= 0], np.float64)
            self.means_[m] = labelled.mean(axis=0)
            self.scales_[m] = float(1 / np.sqrt(max(labelled.var(axis=0).sum(), 1e-12)))
        x = {m: self._scaled(m, view) for m, view in views.items()}
        classes = {m: one_hot(y, len(self.classes_)) for m, y in numbers.items()}
        self.priors_ = {m: y.sum(axis=0) / y.sum() for m, y in classes.items()}
        self.maps_, self.losses_ = self._minimise(x, classes, self._smoothness(x, classes, pairs))

    def _transform(self, modality: str, x: np.ndarray) -> np.ndarray:
        """(n, d_m) vectors -> (n, classes) float32: the labels that the linear map predicts."""
        return self._scaled(modality, x) @ self.maps_[modality] + self.priors_[modality]

    def _scaled(self, modality: str, x: np.ndarray) -> np.ndarray:
        return (x - self.means_[modality]) * self.scales_[modality]

    def _smoothness(self, x: Arrays, classes: Arrays, pairs: Pairs) -> dict[tuple[str, str], np.ndarray]:
        """The graph's blocks ``X_a' L_ab X_b`` (d_a, d_b), without the n by n Laplacian."""
        degrees = {m: np.zeros(len(view)) for m, view in x.items()}
        joined = {(a, b): np.zeros((x[a].shape[1], x[b].shape[1])) for a in x for b in x}
        # Edges between all items of a class are a product of two thin matrices: of weight (n_a n_b)^(-1/2).
        share = {m: y / np.sqrt(np.maximum(y.sum(axis=0), 1)) for m, y in classes.items()}
        for a, view in x.items():
            near = neighbour_graph(view, self.neighbours)
            near = near / near.sum(axis=1).mean()
            degrees[a] += near.sum(axis=1)
            joined[a, a] += view.T @ (near @ view)
            for b in set(x) - {a}:
                degrees[a] += share[a] @ share[b].sum(axis=0)
                joined[a, b] += (view.T @ share[a]) @ (share[b].T @ x[b])
        for (a, b), index in pairs.items():
            left, right = index.T
            degrees[a] += np.bincount(left, minlength=len(x[a]))
            degrees[b] += np.bincount(right, minlength=len(x[b]))
            paired = x[a][left].T @ x[b][right]
            joined[a, b] += paired
            joined[b, a] += paired.T
        own = {m: view.T @ (degrees[m][:, None] * view) for m, view in x.items()}
        return {(a, b): (own[a] if a == b else 0.0) - between for (a, b), between in joined.items()}

    def _minimise(
        self, x: Arrays, classes: Arrays, smoothness: dict[tuple[str, str], np.ndarray]
    ) -> tuple[Arrays, np.ndarray]:
        """The maps, and the objective after each iteration."""
        from scipy.linalg import solve

        count = sum(len(view) for view in x.values())
        known = {m: y.sum(axis=1) > 0 for m, y in classes.items()}
        x = {m: view[known[m]] for m, view in x.items()}
        y = {m: classes[m][known[m]] - self.priors_[m] for m in x}
        own = {m: x[m].T @ x[m] + self.graph * smoothness[m, m] for m in x}
        target = {m: x[m].T @ y[m] for m in x}
        squares = sum(float((part**2).sum()) for part in y.values())
        maps = {m: np.zeros_like(part) for m, part in target.items()}
        rows = {m: np.ones(len(part)) for m, part in maps.items()}  # the lengths of the maps' rows
        losses: list[float] = []
        for _ in range(self.iterations):
            for m in maps:
                others = sum(smoothness[m, b] @ maps[b] for b in maps if b != m)
                penalty = np.diag(count * self.sparsity / (2 * rows[m]))
                maps[m] = solve(own[m] + penalty, target[m] - self.graph * others, assume_a="pos")
                rows[m] = np.sqrt((maps[m] ** 2).sum(axis=1) + _SMOOTHING)
            # |XU - Y|^2 and the graph's part, from the matrices at hand instead of from the items.
            quadratic = squares + sum(
                float((maps[m] * (own[m] @ maps[m] - 2 * target[m])).sum()) for m in maps
            )
            across = sum(
                float((maps[a] * (smoothness[a, b] @ maps[b])).sum()) for a in maps for b in maps if a != b
            )
            norms = sum(float(r.sum()) for r in rows.values())
            losses.append((quadratic + self.graph * across) / count + self.sparsity * norms)
            if len(losses) > 1 and losses[-2] - losses[-1] <= self.tolerance * losses[-2]:
                break
        return maps, np.array(losses)
