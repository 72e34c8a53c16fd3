"""HSNN and its neighbour search against brute force, and on data whose answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from tests.spaces.known import Wikipedia
from xmer_spark.errors import XmerError
from xmer_spark.evaluation.ranking import inner_product, rank
from xmer_spark.numerics import neighbours as neighbours_module
from xmer_spark.numerics.neighbours import class_posteriors, nearest, neighbour_graph
from xmer_spark.spaces import REGISTRY
from xmer_spark.spaces.posterior.hsnn import HSNN


def rings(n: int = 300, seed: int = 0) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Three classes: rings around one centre in one modality, interleaved intervals in the other."""
    random = np.random.default_rng(seed)
    y = random.integers(0, 3, n)
    angle = random.uniform(0, 2 * np.pi, n)
    radius = 1 + y + 0.1 * random.standard_normal(n)
    line = y + 3 * random.integers(0, 4, n) + 0.1 * random.standard_normal(n)
    views = {
        "image": np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]),
        "text": line[:, None],
    }
    return views, {"image": y, "text": y}


@pytest.mark.parametrize("metric", ["cosine", "euclidean", "cityblock"])
def test_posteriors_and_similarity_equal_a_brute_force_computation_of_the_papers_formula(metric: str) -> None:
    random = np.random.default_rng(1)
    views = {m: random.standard_normal((40, d)).astype(np.float32) for m, d in (("image", 5), ("text", 3))}
    labels = {m: random.integers(0, 4, 40) for m in views}
    queries = {m: random.standard_normal((6, x.shape[1])).astype(np.float32) for m, x in views.items()}
    space = HSNN(k=7, metric=metric).fit(views, labels)

    def posterior(m: str, query: np.ndarray, c: int) -> float:
        distance = cdist(query[None].astype(float), views[m].astype(float), metric)[0]
        similarity = 1 - distance if metric == "cosine" else -distance
        near = np.argsort(distance)[:7]
        weight = 1 / (1 + np.exp(-similarity[near]))
        return float(weight[labels[m][near] == c].sum() / weight.sum())

    image, text = (space.transform(m, queries[m]) for m in views)
    expected = [
        [sum(posterior("image", i, c) * posterior("text", t, c) for c in range(4)) for t in queries["text"]]
        for i in queries["image"]
    ]
    np.testing.assert_allclose(image @ text.T, expected, atol=1e-5)
    np.testing.assert_allclose(image.sum(axis=1), 1, atol=1e-6)


def test_row_chunks_do_not_change_what_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(2).standard_normal((50, 3))
    whole = nearest(x, x, 5, exclude_self=True)
    monkeypatch.setattr(neighbours_module, "_DISTANCES", 150)
    in_parts = nearest(x, x, 5, exclude_self=True)
    np.testing.assert_array_equal(in_parts[0], whole[0])
    np.testing.assert_allclose(in_parts[1], whole[1])
    assert not (whole[0] == np.arange(50)[:, None]).any()


def test_equally_near_items_are_found_in_order_of_their_rows() -> None:
    assert nearest(np.zeros((1, 1)), np.array([[1.0], [-1.0], [0.5]]), 3)[0].tolist() == [[2, 0, 1]]


def test_neighbour_graph_is_symmetric_without_loops_and_joins_every_item_to_its_nearest() -> None:
    x = np.random.default_rng(3).standard_normal((60, 4))
    graph = neighbour_graph(x, 4).toarray()
    np.testing.assert_array_equal(graph, graph.T)
    assert not graph.diagonal().any()
    assert graph.min() >= 0
    assert graph.max() <= 1
    index, _ = nearest(x, x, 4, exclude_self=True)
    assert (graph[np.arange(60)[:, None], index] > 0).all()
    assert np.count_nonzero(graph) <= 2 * 60 * 4


def test_classes_that_no_linear_map_separates_are_matched_across_modalities() -> None:
    views, labels = rings()
    train, y = {m: x[:200] for m, x in views.items()}, labels["image"]
    space = HSNN(k=10, metric="euclidean").fit(train, dict.fromkeys(views, y[:200]))
    image, text = (space.transform(m, views[m][200:]) for m in views)
    linear = REGISTRY.build("cca", {"dimensions": 2, "class_weight": 1.0}).fit(
        train, dict.fromkeys(views, y[:200])
    )
    baseline = [linear.transform(m, views[m][200:]) for m in views]

    def precision(a: np.ndarray, b: np.ndarray) -> float:
        return float(rank(inner_product(a, b), y[200:], y[200:]).average_precision.mean())

    assert precision(image, text) > 0.95
    assert precision(*baseline) < 0.6


def test_items_without_a_label_are_nobodys_neighbour_and_are_placed() -> None:
    views, labels = rings()
    hidden = {m: np.where(np.arange(300) % 3 == 0, -1, y) for m, y in labels.items()}
    kept = {m: x[hidden[m] >= 0] for m, x in views.items()}
    without = HSNN(k=5).fit(kept, {m: y[y >= 0] for m, y in hidden.items()})
    space = HSNN(k=5)
    placed = space.fit_transform(views, hidden)
    unknown = hidden["image"] < 0
    expected = without.transform("image", views["image"][unknown])
    np.testing.assert_array_equal(placed["image"][unknown], expected)
    assert (expected.argmax(axis=1) == labels["image"][unknown]).mean() > 0.9


def test_an_item_that_is_fitted_and_placed_does_not_see_its_own_label() -> None:
    x = np.array([[0.0], [0.1], [0.2], [5.0], [5.1]])
    y = np.array([0, 0, 1, 1, 1])
    placed = HSNN(k=1, metric="euclidean").fit_transform({"text": x}, {"text": y})["text"]
    assert placed.argmax(axis=1).tolist() == [0, 0, 0, 1, 1]


def test_number_of_neighbours_and_metric_may_differ_by_modality() -> None:
    views, labels = rings()
    mixed = HSNN(k={"image": 3, "text": 9}, metric={"image": "cosine", "text": "euclidean"})
    single = HSNN(k=9, metric="euclidean").fit(views, labels)
    found = mixed.fit(views, labels).transform("text", views["text"])
    np.testing.assert_array_equal(found, single.transform("text", views["text"]))


def test_saved_space_transforms_the_same(tmp_path: Path) -> None:
    views, labels = rings()
    space = HSNN(k=5).fit(views, {m: y * 10 for m, y in labels.items()})
    space.save(tmp_path)
    loaded = REGISTRY.load(tmp_path)
    for m, x in views.items():
        np.testing.assert_array_equal(loaded.transform(m, x), space.transform(m, x))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "learns from class labels"),
        ({"image": np.zeros(3, int), "text": np.zeros(2, int)}, "text needs 3 labels, not 2"),
        ({"image": np.zeros(3, int), "text": np.full(3, -1)}, "text has none"),
    ],
)
def test_missing_labels_are_named(labels: dict[str, np.ndarray] | None, message: str) -> None:
    with pytest.raises(XmerError, match=message):
        HSNN().fit({"image": np.ones((3, 2)), "text": np.ones((3, 2))}, labels)


def test_posteriors_without_any_labelled_reference_are_refused() -> None:
    with pytest.raises(XmerError, match="no reference item has a label"):
        class_posteriors(np.ones((1, 2)), np.ones((2, 2)), np.array([-1, -1]), 1, 2)


def test_wikipedia_is_retrieved_as_well_as_hoped(wikipedia: Wikipedia) -> None:
    rooted = wikipedia.rooted()
    space = HSNN().fit(rooted.train, rooted.labels)
    assert rooted.retrieved(space) >= 0.29


def test_distances_too_large_for_a_weight_still_tell_the_classes() -> None:
    y = np.repeat([0, 1], 20)
    x = 10 * np.random.default_rng(0).standard_normal((40, 4096)) + 20 * y[:, None]
    found = class_posteriors(x[::2] + 1, x[1::2], y[1::2], k=5, classes=2, metric="cityblock")
    np.testing.assert_array_equal(found.argmax(axis=1), y[::2])
