"""JRL's objective, its graph, and what it retrieves, on data whose answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.spaces.known import Wikipedia, mean_average_precision
from xmer_spark.errors import XmerError
from xmer_spark.numerics.neighbours import neighbour_graph
from xmer_spark.spaces import REGISTRY
from xmer_spark.spaces.graph.jrl import JRL

Arrays = dict[str, np.ndarray]


def clusters(
    n: int = 150, classes: int = 3, known: float = 0.5, seed: int = 0
) -> tuple[Arrays, Arrays, np.ndarray]:
    """Views, labels (-1 where withheld) and the aligned rows' classes; half of the features are noise."""
    random = np.random.default_rng(seed)
    y = random.integers(0, classes, n)
    y[:classes] = np.arange(classes)
    views = {
        m: np.hstack(
            [
                2 * random.standard_normal((classes, width))[y] + random.standard_normal((n, width)),
                random.standard_normal((n, width)),
            ]
        )
        for m, width in (("image", 6), ("text", 4))
    }
    seen = np.where((random.random(n) < known) | (np.arange(n) < classes), y, -1)
    return views, dict.fromkeys(views, seen), y


def moons(n: int = 300, labelled: int = 3, seed: int = 0) -> tuple[Arrays, Arrays, np.ndarray]:
    """Two interleaved half circles in each modality, differently turned, with few labels per class."""
    random = np.random.default_rng(seed)
    y = np.arange(n) % 2
    views = {}
    for m, turn in (("image", 0.0), ("text", 1.0)):
        angle = np.pi * random.random(n)
        x = np.column_stack([np.cos(angle), np.sin(angle)])
        x = np.where(y[:, None] == 0, x, [1.0, 0.5] - x) + 0.05 * random.standard_normal((n, 2))
        views[m] = x @ np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return views, dict.fromkeys(views, np.where(np.arange(n) < 2 * labelled, y, -1)), y


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), sparsity=st.floats(1e-3, 0.5), landmarks=st.sampled_from([0, 40]))
def test_the_objective_never_rises(seed: int, sparsity: float, landmarks: int) -> None:
    views, labels, _ = clusters(n=60, seed=seed)
    space = JRL(sparsity=sparsity, landmarks=landmarks, components=20, neighbours=8, tolerance=0).fit(
        views, labels
    )
    assert len(space.losses_) > 1
    assert (np.diff(space.losses_) <= 1e-10).all()


def test_the_recorded_loss_is_the_papers_objective_term_by_term() -> None:
    views, labels, _ = clusters()
    space = JRL(
        correlation=0.3,
        smoothness=0.7,
        sparsity=0.05,
        neighbours=10,
        landmarks=0,
        iterations=200,
        tolerance=1e-12,
    ).fit(views, labels)
    known = labels["image"] >= 0
    scores = {m: space.scores(m, view) for m, view in views.items()}
    expected = 0.3 * ((scores["image"] - scores["text"])[known] ** 2).sum(axis=1).mean()
    for m, view in views.items():
        expected += ((scores[m][known] - np.eye(3)[labels[m][known]]) ** 2).sum(axis=1).mean()
        w = neighbour_graph((view - view.mean(axis=0)) / view.std(axis=0), 10).toarray()
        root = 1 / np.sqrt(w.sum(axis=1))
        laplacian = np.eye(len(w)) - root[:, None] * w * root
        expected += 0.7 * np.trace(scores[m].T @ laplacian @ scores[m]) / len(w)
        expected += 0.05 * np.linalg.norm(space.maps_[m], axis=1).sum()
    np.testing.assert_allclose(space.losses_[-1], expected, rtol=1e-4)


def test_sparsity_selects_the_features_that_tell_classes_apart() -> None:
    views, labels, _ = clusters(n=400)
    space = JRL(sparsity=0.1, landmarks=0, neighbours=10, iterations=200, tolerance=0).fit(views, labels)
    for m, width in (("image", 6), ("text", 4)):
        rows = np.linalg.norm(space.maps_[m], axis=1)
        assert rows[width:].max() < 0.1 * rows[:width].max()


def test_correlation_draws_the_scores_of_a_pair_together() -> None:
    views, labels, _ = clusters()

    def apart(correlation: float) -> float:
        space = JRL(correlation=correlation, landmarks=0, neighbours=10).fit(views, labels)
        return float(
            np.abs(space.scores("image", views["image"]) - space.scores("text", views["text"])).mean()
        )

    assert apart(10.0) < apart(0.0)


def test_unlabelled_items_of_a_manifold_help_where_labelled_items_alone_mislead() -> None:
    views, labels, y = moons(labelled=5)

    def retrieved(smoothness: float) -> float:
        space = JRL(
            smoothness=smoothness,
            sparsity=1e-4,
            neighbours=8,
            votes=6,
            width=20.0,
            landmarks=300,
            components=60,
        )
        return mean_average_precision(space.fit_transform(views, labels), dict.fromkeys(views, y))

    nearest = REGISTRY.build("hsnn", {"k": 1, "metric": "euclidean"}).fit(views, labels)
    placed = {m: nearest.transform(m, view) for m, view in views.items()}
    assert retrieved(10.0) > 0.98
    assert retrieved(0.0) < 0.9
    assert mean_average_precision(placed, dict.fromkeys(placed, y)) < 0.93


def test_partners_of_unlabelled_items_are_not_looked_at() -> None:
    views, labels, _ = clusters()
    order = np.arange(150)
    unknown = np.flatnonzero(labels["text"] < 0)
    order[unknown] = np.roll(unknown, 1)
    moved = {**views, "text": views["text"][order]}
    a, b = (JRL(landmarks=0, neighbours=10, tolerance=0).fit(v, labels) for v in (views, moved))
    np.testing.assert_allclose(a.maps_["text"], b.maps_["text"], atol=1e-10)


def test_unlabelled_items_may_be_more_in_one_modality_where_pairs_are_given() -> None:
    views, labels, _ = clusters()
    views["text"], labels = views["text"][:100], {"image": labels["image"], "text": labels["text"][:100]}
    pairs = {("image", "text"): np.repeat(np.arange(50), 2).reshape(-1, 2)}
    placed = JRL(neighbours=10, votes=20).fit_transform(views, labels, pairs)
    assert {m: x.shape for m, x in placed.items()} == {"image": (150, 3), "text": (100, 3)}


def test_a_fitted_item_is_placed_as_if_it_were_new() -> None:
    views, labels, _ = clusters()
    space = JRL(neighbours=10, votes=20)
    placed = space.fit_transform(views, labels)
    np.testing.assert_allclose(space.transform("image", views["image"][:7]), placed["image"][:7], atol=1e-6)
    np.testing.assert_allclose(placed["image"].sum(axis=1), 1, atol=1e-6)
    assert space.transform("image", views["image"][:0]).shape == (0, 3)


def test_saved_space_transforms_the_same_and_fitting_again_changes_nothing(tmp_path: Path) -> None:
    views, labels, _ = clusters()
    space = JRL(neighbours=10, votes=20).fit(views, labels)
    space.save(tmp_path)
    placed = space.transform("text", views["text"])
    assert placed.dtype == np.float32
    np.testing.assert_array_equal(REGISTRY.load(tmp_path).transform("text", views["text"]), placed)
    again = JRL(neighbours=10, votes=20).fit(views, labels)
    np.testing.assert_array_equal(again.transform("text", views["text"]), placed)


def test_missing_labels_are_named() -> None:
    views, labels, _ = clusters()
    with pytest.raises(XmerError, match="JRL learns from class labels"):
        JRL().fit(views)
    with pytest.raises(XmerError, match="text has none"):
        JRL().fit(views, {**labels, "text": np.full(150, -1)})


def test_wikipedia_is_retrieved_as_well_as_hoped(wikipedia: Wikipedia) -> None:
    rooted = wikipedia.rooted()
    assert rooted.retrieved(JRL().fit(rooted.train, rooted.labels)) >= 0.289
    assert rooted.retrieved_together(JRL()) >= 0.289
