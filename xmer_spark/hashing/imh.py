"""Inter-media hashing: codes smooth over each modality's neighbours and linear in its features."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xmer_spark.hashing.base import CrossModalHasher
from xmer_spark.hashing.directions import as_many_bits, centred
from xmer_spark.numerics.neighbours import nearest
from xmer_spark.numerics.views import Labels, Pairs, Views, checked_pairs, things

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


class InterMedia(CrossModalHasher):
    """Inter-media hashing (Song, Yang, Yang, Huang and Shen 2013).

    The real codes F of the things minimise, with ``F' F = I`` and summed over modalities,
    ``smoothness * tr(F' L_m F) + |X_m W_m + 1 t_m' - F|^2 + ridge |W_m|^2``: L_m is the Laplacian of the
    Gaussian graph of nearest neighbours, and ``W_m`` and ``t_m`` follow from F by ridge regression. What
    remains is an eigenproblem in F, of which the constant solution is left out. A bit is cut at the
    median of its training values, so that half the items of each modality have it.

    The paper asks items of one thing for equal codes by a penalty without bound (its consistency between
    media); here they share a row of F, and ``F' F = I`` is over all things, not over the items of one
    modality. Graphs have a mean degree of 1 and ``ridge`` is in mean variances, so that the weights mean
    the same for any data. There are no more directions than a modality has features; ``as_many_bits``
    makes bits of them. Of more things than ``sample``, so many are drawn: time grows with their number
    cubed.
    """

    def __init__(
        self,
        bits: int = 64,
        smoothness: float = 0.1,
        ridge: float = 0.01,
        neighbours: int = 10,
        rotate: bool = False,
        sample: int = 3000,
        seed: int = 0,
    ) -> None:
        self.bits = bits
        self.smoothness = smoothness
        self.ridge = ridge
        self.neighbours = neighbours
        self.rotate = rotate
        self.sample = sample
        self.seed = seed

    def _fit(self, views: Views, labels: Labels | None, pairs: Pairs | None) -> None:
        from scipy.linalg import eigh

        views, shows = self._sampled(views, things(views, checked_pairs(views, pairs)))
        x, _ = centred(views)
        count = 1 + max(int(numbers.max()) for numbers in shows.values())
        objective, regressions = np.zeros((count, count)), {}
        for m, view in x.items():
            regressions[m] = _regression(view, self.ridge)
            incidence = _incidence(shows[m], count)
            lost = np.eye(len(view)) - 1 / len(view) - view @ regressions[m]
            cost = lost + self.smoothness * _laplacian(view, self.neighbours)
            objective += incidence.T @ (incidence.T @ cost).T
        wanted = min(self.bits, count - 1, *(view.shape[1] for view in x.values()))
        values, f = eigh((objective + objective.T) / 2, subset_by_index=(0, wanted))
        values, f = _without_constant(values, f)
        strength = np.maximum(1 - values / len(x), 1e-3)
        directions = {m: regressions[m] @ f[shows[m]] for m in x}
        random = np.random.default_rng(self.seed)
        self.maps_ = as_many_bits(directions, strength, self.bits, self.rotate, random)
        self.thresholds_ = {m: np.median(views[m] @ self.maps_[m], axis=0) for m in x}

    def _sampled(self, views: Views, shows: dict[str, np.ndarray]) -> tuple[Views, dict[str, np.ndarray]]:
        """The items of at most ``sample`` things, and the numbers of these, from 0."""
        numbers = np.unique(np.concatenate(list(shows.values())))
        drawn = numbers
        if len(numbers) > self.sample:
            drawn = np.sort(np.random.default_rng(self.seed).choice(numbers, self.sample, replace=False))
        keep = {m: np.isin(n, drawn) for m, n in shows.items()}
        kept = {m: np.searchsorted(drawn, n[keep[m]]) for m, n in shows.items()}
        return {m: view[keep[m]] for m, view in views.items()}, kept


def _regression(x: np.ndarray, ridge: float) -> np.ndarray:
    """``(x' x + ridge I)^-1 x'``, (d, n), which gives ``W`` from F."""
    from scipy.linalg import solve

    scatter = x.T @ x
    scatter += (ridge * np.trace(scatter) / len(scatter) + 1e-10) * np.eye(len(scatter))
    result: np.ndarray = solve(scatter, x.T, assume_a="pos")
    return result


def _incidence(numbers: np.ndarray, count: int) -> csr_matrix:
    """(n, count): which thing each item shows."""
    from scipy.sparse import csr_matrix

    return csr_matrix((np.ones(len(numbers)), (np.arange(len(numbers)), numbers)), (len(numbers), count))


def _laplacian(x: np.ndarray, neighbours: int) -> np.ndarray:
    """``D - A`` of mean degree 1: (n, n). Items are joined where one is among the other's neighbours."""
    near, distance = nearest(x, x, neighbours, exclude_self=True)
    squares = distance**2
    joined = np.zeros((len(x), len(x)))
    np.put_along_axis(joined, near, np.exp(-squares / max(float(np.median(squares)), 1e-12)), axis=1)
    joined = np.maximum(joined, joined.T)
    degree = joined.sum(axis=1)
    return (np.diag(degree) - joined) / max(float(degree.mean()), 1e-12)


def _without_constant(values: np.ndarray, f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues (k + 1,) and vectors (n, k + 1), less the constant vector among them."""
    rest = f - f.mean(axis=0)
    # The constant column has become 0; where it was mixed with others, they lose what they held of it.
    kept = np.sort(np.argsort(np.linalg.norm(rest, axis=0), kind="stable")[1:])
    return values[kept], rest[:, kept]
