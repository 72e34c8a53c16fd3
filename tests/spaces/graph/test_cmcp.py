"""CMCP against its closed form and its iteration, on manifolds, and on the Wikipedia set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from tests.spaces.known import Wikipedia, mean_average_precision
from xmer_spark.errors import XmerError
from xmer_spark.spaces import REGISTRY
from xmer_spark.spaces.graph.cmcp import CMCP, propagate

Arrays = dict[str, np.ndarray]


def clusters(
    n: int = 120, classes: int = 3, known: float = 0.5, seed: int = 0
) -> tuple[Arrays, Arrays, Arrays]:
    """Views, labels (-1 where withheld) and true classes of overlapping clusters in two modalities."""
    random = np.random.default_rng(seed)
    views, labels, truth = {}, {}, {}
    for m, width in (("image", 6), ("text", 4)):
        y = random.integers(0, classes, n)
        y[:classes] = np.arange(classes)
        views[m] = 2 * random.standard_normal((classes, width))[y] + random.standard_normal((n, width))
        labels[m] = np.where((random.random(n) < known) | (np.arange(n) < classes), y, -1)
        truth[m] = y
    return views, labels, truth


def moons(n: int = 300, labelled: int = 3, seed: int = 0) -> tuple[Arrays, Arrays, Arrays]:
    """Two interleaved half circles in each modality, differently turned, with few labels per class."""
    random = np.random.default_rng(seed)
    views, labels, truth = {}, {}, {}
    for m, turn in (("image", 0.0), ("text", 1.0)):
        y = np.arange(n) % 2
        angle = np.pi * random.random(n)
        x = np.column_stack([np.cos(angle), np.sin(angle)])
        x = np.where(y[:, None] == 0, x, [1.0, 0.5] - x) + 0.05 * random.standard_normal((n, 2))
        rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        views[m], truth[m] = x @ rotation, y
        labels[m] = np.where(np.arange(n) < 2 * labelled, y, -1)
    return views, labels, truth


def normalised(space: CMCP, modality: str, x: np.ndarray) -> np.ndarray:
    graph, _ = space._graph(x.astype(np.float32))
    dense = graph.toarray()
    root = 1 / np.sqrt(dense.sum(axis=1))
    return root[:, None] * dense * root


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), alpha=st.floats(0.05, 0.99))
def test_propagated_correlations_equal_the_closed_form_over_all_pairs(seed: int, alpha: float) -> None:
    views, labels, _ = clusters(n=40, seed=seed)
    space = CMCP(neighbours=5, alpha=alpha).fit(views, labels)
    known = (labels["image"][:, None] >= 0) & (labels["text"] >= 0)
    z = np.where(known, np.where(labels["image"][:, None] == labels["text"], 1.0, -1.0), 0.0)
    left, right = (
        np.linalg.inv(np.eye(40) - alpha * normalised(space, m, view)) for m, view in views.items()
    )
    closed = (1 - alpha) ** 2 * left @ z @ right
    core = 2 * np.eye(3) - 1
    factored = space.evidence_["image"] @ core @ space.evidence_["text"].T
    np.testing.assert_allclose(factored, closed, atol=1e-7)


def test_conjugate_gradients_reach_the_limit_of_the_papers_iteration() -> None:
    views, labels, _ = clusters()
    space = CMCP(neighbours=8, alpha=0.7).fit(views, labels)
    s = normalised(space, "image", views["image"])
    one_hot = (labels["image"][:, None] == np.arange(3)).astype(float)
    p = one_hot
    for _ in range(100):
        p = 0.7 * s @ p + 0.3 * one_hot
    np.testing.assert_allclose(space.evidence_["image"], p, atol=1e-8)


def test_the_inner_product_is_the_correlation_over_the_evidence_up_to_a_constant() -> None:
    views, labels, _ = clusters()
    space = CMCP(neighbours=8)
    placed = space.fit_transform(views, labels)
    image, text = space.evidence_["image"], space.evidence_["text"]
    share = image @ (2 * np.eye(3) - 1) @ text.T / np.outer(image.sum(axis=1), text.sum(axis=1))
    np.testing.assert_allclose(2 * placed["image"] @ placed["text"].T - 1, share, atol=1e-6)


def test_few_labels_spread_along_manifolds_where_labelled_items_alone_mislead() -> None:
    views, labels, truth = moons()
    spread = CMCP(neighbours=8, alpha=0.99).fit_transform(views, labels)
    known = {m: y >= 0 for m, y in labels.items()}
    alone = CMCP(neighbours=3, alpha=0.99).fit(
        {m: view[known[m]] for m, view in views.items()}, {m: y[known[m]] for m, y in labels.items()}
    )
    nearest = REGISTRY.build("hsnn", {"k": 1, "metric": "euclidean"}).fit(views, labels)
    assert mean_average_precision(spread, truth) > 0.98
    for supervised in (alone, nearest):
        placed = {m: supervised.transform(m, view) for m, view in views.items()}
        assert mean_average_precision(placed, truth) < 0.93


def test_an_item_is_placed_alike_whether_it_took_part_in_the_graph_or_not() -> None:
    views, labels, _ = clusters(n=300)
    space = CMCP(neighbours=10)
    fitted = space.fit_transform(views, labels)
    unknown = labels["text"] < 0
    again = space.transform("text", views["text"])
    apart = np.abs(again[unknown] - fitted["text"][unknown]).sum(axis=1) / 2
    assert apart.mean() < 0.05
    left_out = CMCP(neighbours=10).fit(
        {m: view[labels[m] >= 0] for m, view in views.items()}, {m: y[y >= 0] for m, y in labels.items()}
    )
    new = left_out.transform("text", views["text"][unknown])
    assert np.abs(new - fitted["text"][unknown]).sum(axis=1).mean() / 2 < 0.15


def test_an_item_far_from_all_others_still_has_shares() -> None:
    views, labels, _ = clusters()
    placed = CMCP().fit(views, labels).transform("image", np.full((1, 6), 1e4))
    np.testing.assert_allclose(placed.sum(), 1, atol=1e-6)


def test_an_item_that_no_label_reaches_stays_zero() -> None:
    graph = csr_array(np.array([[0.0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]]))
    p = propagate(graph, np.ones(4), np.array([[1.0], [0], [0], [0]]), 0.5)
    np.testing.assert_allclose(p[:, 0], [2 / 3, 1 / 3, 0, 0], atol=1e-8)


def test_classes_need_not_be_numbered_without_gaps() -> None:
    views, labels, _ = clusters()
    gaps = {m: np.where(y >= 0, 10 * y, -1) for m, y in labels.items()}
    a, b = (CMCP().fit_transform(views, y)["text"] for y in (labels, gaps))
    np.testing.assert_array_equal(a, b)


def test_saved_space_transforms_the_same_and_fitting_again_changes_nothing(tmp_path: Path) -> None:
    views, labels, _ = clusters()
    space = CMCP().fit(views, labels)
    space.save(tmp_path)
    placed = space.transform("text", views["text"])
    assert placed.dtype == np.float32
    np.testing.assert_array_equal(REGISTRY.load(tmp_path).transform("text", views["text"]), placed)
    np.testing.assert_array_equal(CMCP().fit(views, labels).transform("text", views["text"]), placed)


def test_missing_labels_and_an_alpha_without_limit_are_named() -> None:
    views, labels, _ = clusters()
    with pytest.raises(XmerError, match="CMCP learns from class labels"):
        CMCP().fit(views)
    with pytest.raises(XmerError, match="text has none"):
        CMCP().fit(views, {**labels, "text": np.full(120, -1)})
    with pytest.raises(XmerError, match="alpha must be"):
        CMCP(alpha=1.0).fit(views, labels)


def test_wikipedia_is_retrieved_as_well_as_hoped(wikipedia: Wikipedia) -> None:
    rooted = wikipedia.rooted()
    assert rooted.retrieved(CMCP().fit(rooted.train, rooted.labels)) >= 0.29
    assert rooted.retrieved_together(CMCP()) >= 0.297
