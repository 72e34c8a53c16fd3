"""JFSSL against its objective, a general optimiser, and data whose answer is known."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.spaces.known import Wikipedia
from xmer_spark.errors import XmerError
from xmer_spark.numerics.neighbours import neighbour_graph
from xmer_spark.spaces import REGISTRY
from xmer_spark.spaces.linear.jfssl import JFSSL

Arrays = dict[str, np.ndarray]


def classes_in_noise(n: int = 240, noise: int = 12, seed: int = 0) -> tuple[Arrays, Arrays]:
    """Three classes, told by the first three features of each modality, among ``noise`` that say nothing."""
    random = np.random.default_rng(seed)
    y = random.integers(0, 3, n)
    views = {}
    for modality in ("image", "text"):
        telling = np.eye(3)[y] @ random.standard_normal((3, 3)) + 0.1 * random.standard_normal((n, 3))
        views[modality] = np.hstack([telling, random.standard_normal((n, noise)) * 0.5])
    return views, dict.fromkeys(views, y)


def objective(space: JFSSL, views: Arrays, labels: Arrays, pairs: np.ndarray, maps: Arrays) -> float:
    """The objective as the docstring states it, with the Laplacian of all items written out."""
    x = {m: (v - space.means_[m]) * space.scales_[m] for m, v in views.items()}
    n = len(pairs)
    blocks = [[np.zeros((n, n)), np.zeros((n, n))], [np.zeros((n, n)), np.zeros((n, n))]]
    one_hot = {m: (y[:, None] == space.classes_).astype(float) for m, y in labels.items()}
    for i, m in enumerate(x):
        near = neighbour_graph(x[m], space.neighbours).toarray()
        blocks[i][i] = near / near.sum(axis=1).mean()
    a, b = (y / np.sqrt(y.sum(axis=0)) for y in one_hot.values())
    blocks[0][1] = a @ b.T
    np.add.at(blocks[0][1], (pairs[:, 0], pairs[:, 1]), 1)
    blocks[1][0] = blocks[0][1].T
    weights = np.block(blocks)
    laplacian = np.diag(weights.sum(axis=1)) - weights
    f = np.vstack([x[m] @ maps[m] for m in x])
    errors = 0.0
    for m in x:
        known = labels[m] >= 0
        errors += float(((x[m] @ maps[m] + space.priors_[m] - one_hot[m])[known] ** 2).sum())
    norms = sum(float(np.sqrt((u**2).sum(axis=1) + 1e-8).sum()) for u in maps.values())
    return (errors + space.graph * float(np.trace(f.T @ laplacian @ f))) / (2 * n) + space.sparsity * norms


@pytest.mark.parametrize("graph", [0.0, 0.1, 3.0])
@pytest.mark.parametrize("sparsity", [1e-4, 1e-2])
def test_objective_never_rises_from_one_iteration_to_the_next(graph: float, sparsity: float) -> None:
    views, labels = classes_in_noise()
    losses = JFSSL(sparsity=sparsity, graph=graph, tolerance=0.0).fit(views, labels).losses_
    assert len(losses) > 3
    assert all(after <= before + 1e-12 for before, after in pairwise(losses))


def test_recorded_objective_is_that_of_the_written_out_laplacian_and_is_its_minimum() -> None:
    views, labels = classes_in_noise(n=60)
    labels = {m: np.where(np.arange(60) % 4 == i, -1, y) for i, (m, y) in enumerate(labels.items())}
    rows = np.column_stack([np.arange(60), np.arange(60)])
    space = JFSSL(graph=0.5, iterations=300, tolerance=1e-13).fit(views, labels)
    least = objective(space, views, labels, rows, space.maps_)
    assert space.losses_[-1] == pytest.approx(least, rel=1e-10)
    random = np.random.default_rng(0)
    for size in (1e-3, 1e-2, 1e-1):
        moved = {m: u + size * random.standard_normal(u.shape) for m, u in space.maps_.items()}
        assert objective(space, views, labels, rows, moved) > least


def test_features_that_say_nothing_of_the_class_are_left_out() -> None:
    views, labels = classes_in_noise()
    maps = JFSSL(sparsity=0.02, graph=0.0).fit(views, labels).maps_
    for u in maps.values():
        length = np.linalg.norm(u, axis=1)
        assert length[3:].max() < 0.01 * length[:3].max()


def test_graph_brings_items_of_one_class_and_pairs_closer() -> None:
    views, labels = classes_in_noise()

    def distance(graph: float) -> float:
        space = JFSSL(graph=graph).fit(views, labels)
        image, text = (space.transform(m, x) - space.priors_[m] for m, x in views.items())
        return float(((image - text) ** 2).sum() / (image**2).sum())

    assert distance(3.0) < distance(0.0)


def test_pairs_help_to_place_what_has_no_label() -> None:
    views, labels = classes_in_noise(n=60, noise=20)
    hidden = {m: np.where(np.arange(60) < 45, -1, y) for m, y in labels.items()}
    assert (JFSSL().fit(views, hidden).maps_["image"] != JFSSL().fit(views, hidden, {}).maps_["image"]).any()


def test_modalities_of_different_classes_and_numbers_are_matched_without_pairs() -> None:
    views, labels = classes_in_noise()
    y = labels["text"]
    some = {"image": views["image"][:150], "text": views["text"][y != 2]}
    space = JFSSL().fit(some, {"image": y[:150], "text": y[y != 2]}, pairs={})
    assert space.transform("text", some["text"]).shape == (len(some["text"]), 3)
    found = space.transform("image", views["image"][150:]).argmax(axis=1)
    assert (found == y[150:]).mean() > 0.95


def test_fit_is_deterministic_and_saved_space_transforms_the_same(tmp_path: Path) -> None:
    views, labels = classes_in_noise()
    space = JFSSL().fit(views, labels)
    space.save(tmp_path)
    for other in (REGISTRY.load(tmp_path), JFSSL().fit(views, labels)):
        for m, x in views.items():
            np.testing.assert_array_equal(other.transform(m, x), space.transform(m, x))


@pytest.mark.parametrize(
    ("parameters", "labels", "message"),
    [
        ({}, None, "learns from class labels"),
        ({}, {"image": np.zeros(3, int), "text": np.zeros(2, int)}, "text needs 3 labels"),
        ({"sparsity": 0.0}, None, "sparsity must be above 0"),
    ],
)
def test_wrong_input_is_named(parameters: dict[str, float], labels: Arrays | None, message: str) -> None:
    with pytest.raises(XmerError, match=message):
        JFSSL(**parameters).fit({"image": np.ones((3, 2)), "text": np.ones((3, 2))}, labels)  # type: ignore[arg-type]


def test_wikipedia_is_retrieved_as_well_as_hoped(wikipedia: Wikipedia) -> None:
    rooted = wikipedia.rooted()
    space = JFSSL().fit(rooted.train, rooted.labels)
    assert rooted.retrieved(space) >= 0.253
