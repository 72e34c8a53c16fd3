"""Directions, one per modality, along which items of several modalities agree: what linear hashers share."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from xmer_spark.numerics.views import Views

#: (a, b) -> (d_a, d_b): how the features of two modalities go together.
Shared = Mapping[tuple[str, str], np.ndarray]


def centred(views: Views) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The views less their means, and the means, in float64."""
    means = {m: view.mean(axis=0, dtype=np.float64) for m, view in views.items()}
    return {m: view - means[m] for m, view in views.items()}, means


def own_scatter(view: np.ndarray, regularisation: float) -> np.ndarray:
    """``x' x`` of a centred view with a ridge of ``regularisation`` mean variances: (d, d)."""
    scatter = view.T @ view
    return scatter + (regularisation * np.trace(scatter) / len(scatter) + 1e-10) * np.eye(len(scatter))


def whitening(scatter: np.ndarray) -> np.ndarray:
    """The (d, d) map after which a view of this scatter has the identity for its own."""
    from scipy.linalg import cholesky, solve_triangular

    inverse: np.ndarray = solve_triangular(cholesky(scatter, lower=True), np.eye(len(scatter)), lower=True)
    return inverse.T


def leading(
    shared: Shared, views: Views, count: int | None = None
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The unit directions w = (w_1, ..., w_M) of the greatest ``sum over (a, b) of w_a' C_ab w_b``.

    Returns the values (k,), greatest first, and by modality of ``views`` the parts (d_m, k), each of
    unit length. Of two modalities these are the singular vectors of ``C_ab``.
    """
    from scipy.linalg import eigh

    if len(shared) == 1 and len(views) == 2:
        (((a, b), block),) = shared.items()
        if a != b:
            left, values, right = _singular(block)
            return values[:count], {a: left[:, :count], b: right[:count].T}
    ends = np.cumsum([view.shape[1] for view in views.values()])
    place = {m: slice(end - views[m].shape[1], end) for m, end in zip(views, ends, strict=True)}
    size = int(ends[-1])
    whole = np.zeros((size, size))
    for (a, b), block in shared.items():
        whole[place[a], place[b]] += block / 2
        whole[place[b], place[a]] += block.T / 2
    kept = size if count is None else min(count, size)
    values, vectors = eigh(whole, subset_by_index=(size - kept, size - 1))
    parts = {m: vectors[rows, ::-1] for m, rows in place.items()}
    return values[::-1], {m: _unit(part) for m, part in parts.items()}


def _singular(block: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The thin SVD, by the slower algorithm where the usual one does not converge, which happens."""
    from scipy.linalg import svd

    try:
        found: tuple[np.ndarray, np.ndarray, np.ndarray] = svd(block, full_matrices=False)
    except np.linalg.LinAlgError:
        found = svd(block, full_matrices=False, lapack_driver="gesvd")
    return found


def _unit(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=0)
    return vectors / np.where(length > 0, length, 1.0)


def as_many_bits(
    maps: Mapping[str, np.ndarray],
    strength: np.ndarray,
    bits: int,
    rotate: bool,
    random: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Turn k directions per modality (d_m, k), strongest first, into ``bits``: (d_m, bits).

    The bits are the directions themselves; where there are fewer of these, each further group of bits
    is a random rotation of all of them, weighted by ``strength`` (k,), the same for every modality.
    With ``rotate`` the first group is rotated too, so that strong directions have a say in every bit.
    """
    found = len(strength)
    groups = [] if rotate else [np.eye(found)[:, :bits]]
    while sum(group.shape[1] for group in groups) < bits:
        rotation = np.linalg.qr(random.standard_normal((found, found)))[0]
        groups.append(strength[:, None] * rotation)
    turned = np.hstack(groups)[:, :bits]
    return {m: part @ turned for m, part in maps.items()}
