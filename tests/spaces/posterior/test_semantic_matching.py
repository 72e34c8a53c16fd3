"""Semantic matching against scikit-learn's classifiers, and on data whose answer is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.spaces.known import Wikipedia
from xmer_spark.errors import XmerError
from xmer_spark.evaluation.ranking import inner_product, rank
from xmer_spark.spaces import REGISTRY
from xmer_spark.spaces.posterior.semantic_matching import (
    SemanticMatching,
    chi_square_distances,
    soft_logistic,
    softmax,
)

Arrays = dict[str, np.ndarray]
CLASSIFIERS = ["logistic", "kernel_logistic", "extra_trees"]

#: Chosen by cross-validation on the training items, for the histograms as they are.
WIKIPEDIA: dict[str, Any] = {
    "classifiers": ["kernel_logistic", "extra_trees"],
    "prior": 0.5,
    "taught": 0.7,
    "kernel": "chi_square",
    "kernel_C": 5.0,
    "width": 2.0,
    "landmarks": 2500,
    "components": 600,
    "trees": 300,
    "leaf": 2,
    "split_features": 0.6,
}


def rings(n: int = 300, classes: int = 3, seed: int = 0) -> tuple[Arrays, Arrays]:
    """Classes that are rings around one centre in one modality, interleaved intervals in the other."""
    random = np.random.default_rng(seed)
    y = random.integers(0, classes, n)
    angle = random.uniform(0, 2 * np.pi, n)
    radius = 1 + y + 0.15 * random.standard_normal(n)
    line = y + classes * random.integers(0, 2, n) + 0.15 * random.standard_normal(n)
    image = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    return {"image": image, "text": line[:, None]}, {"image": y, "text": y}


def space_of(classifier: str, **parameters: Any) -> SemanticMatching:
    return SemanticMatching(**{"classifiers": [classifier], "trees": 20, "leaf": 2, **parameters})


@pytest.mark.parametrize("classes", [2, 4])
def test_logistic_posteriors_equal_those_of_scikit_learn(classes: int) -> None:
    from sklearn.linear_model import LogisticRegression

    views, labels = rings(classes=classes)
    space = space_of("logistic", C=2.0).fit(views, labels)
    x = (views["image"] - views["image"].mean(axis=0)) / np.sqrt(views["image"].var(axis=0).sum())
    expected = LogisticRegression(C=2.0, max_iter=1000).fit(x, labels["image"]).predict_proba(x)
    np.testing.assert_allclose(space.posteriors("image", views["image"]), expected, atol=1e-6)


def test_kernel_posteriors_equal_those_of_logistic_regression_on_nystroem_features() -> None:
    from sklearn.kernel_approximation import Nystroem
    from sklearn.linear_model import LogisticRegression

    views, labels = rings(n=120)
    every = space_of("kernel_logistic", landmarks=120, components=120).fit(views, labels)
    gamma = float(every.models_["image"]["kernel_logistic"]["scale"])
    x = (views["image"] - every.means_["image"]) * every.scales_["image"]
    features = Nystroem(gamma=gamma, n_components=120).fit_transform(x)
    expected = LogisticRegression(C=every.kernel_C, max_iter=1000).fit(features, labels["image"])
    np.testing.assert_allclose(
        every.posteriors("image", views["image"]), expected.predict_proba(features), atol=0.01
    )


def histograms(n: int = 200, seed: int = 0) -> tuple[Arrays, Arrays]:
    """Three classes of histograms: clearly told apart in the texts, hardly in the images."""
    random = np.random.default_rng(seed)
    y = random.integers(0, 3, n)
    image = random.dirichlet(np.ones(8), n) + 0.05 * np.eye(8)[y]
    text = random.dirichlet(np.ones(5), n) + 1.5 * np.eye(5)[y]
    return {"image": image, "text": text}, {"image": y, "text": y}


def test_chi_square_distances_follow_their_definition_and_take_no_negative_features() -> None:
    x, y = (np.random.default_rng(seed).dirichlet(np.ones(6), 4) for seed in (0, 1))
    y[0, :2] = x[0, :2] = 0  # bins that are empty in both count for nothing
    expected = [
        [sum((a - b) ** 2 / (a + b) for a, b in zip(p, q, strict=True) if a + b) for q in y] for p in x
    ]
    np.testing.assert_allclose(chi_square_distances(x, y), expected)
    with pytest.raises(XmerError, match="no negative features"):
        chi_square_distances(x - 1, y)


def test_logistic_regression_learns_from_probabilities_as_from_repeated_labels() -> None:
    random = np.random.default_rng(0)
    x = random.standard_normal((60, 4))
    counts = random.permuted(np.tile([1, 2, 3], (60, 1)), axis=1)
    repeated = [(row, c) for row in range(60) for c in range(3) for _ in range(counts[row, c])]
    rows, labels = np.array(repeated).T
    weights, biases = soft_logistic(x, counts / 6, 12.0)
    again, again_biases = soft_logistic(x[rows], np.eye(3)[labels], 2.0)
    np.testing.assert_allclose(softmax(x @ weights + biases), softmax(x @ again + again_biases), atol=1e-3)


def test_posteriors_are_weighted_by_classifier() -> None:
    views, labels = rings()
    weights = {"logistic": 3.0, "extra_trees": 1.0}
    together = SemanticMatching(weights, trees=20, leaf=2).fit(views, labels)
    alone = [space_of(name).fit(views, labels).posteriors("image", views["image"]) for name in weights]
    np.testing.assert_allclose(
        together.posteriors("image", views["image"]), 0.75 * alone[0] + 0.25 * alone[1]
    )


def test_prior_divides_the_products_of_posteriors_by_a_power_of_the_class_shares() -> None:
    views, labels = rings(n=90)
    plain = space_of("logistic").fit(views, labels)
    ratio = space_of("logistic", prior=1.0).fit(views, labels)
    image, text = (plain.posteriors(m, views[m]) for m in views)
    shares = np.bincount(labels["image"]) / 90
    np.testing.assert_allclose(
        ratio.transform("image", views["image"]) @ ratio.transform("text", views["text"]).T,
        (image / shares) @ text.T,
        rtol=1e-4,
    )


@pytest.mark.parametrize("classifier", ["kernel_logistic", "extra_trees"])
def test_modality_that_is_best_told_teaches_the_others_and_learns_from_labels_itself(classifier: str) -> None:
    views, labels = histograms()
    options: dict[str, Any] = {"kernel": "chi_square", "prior": 0.5}
    plain = space_of(classifier, **options).fit(views, labels)
    taught = space_of(classifier, taught=0.5, **options).fit(views, labels)
    image, text = ([s.posteriors(m, views[m]) for s in (plain, taught)] for m in ("image", "text"))
    np.testing.assert_array_equal(text[0], text[1])
    assert not np.allclose(image[0], image[1], atol=1e-3)


def test_partners_are_named_by_pairs_in_either_order_and_aligned_rows_without() -> None:
    views, labels = histograms()
    space = space_of("kernel_logistic", kernel="chi_square", taught=1.0)
    rows = np.repeat(np.arange(200), 2).reshape(-1, 2)
    placed = [
        space.fit(views, labels, pairs).transform("image", views["image"])
        for pairs in (None, {("image", "text"): rows}, {("text", "image"): rows})
    ]
    np.testing.assert_array_equal(placed[0], placed[1])
    np.testing.assert_array_equal(placed[0], placed[2])
    none = space.fit(views, labels, {("image", "text"): rows[:0]}).transform("image", views["image"])
    plain = space_of("kernel_logistic", kernel="chi_square").fit(views, labels)
    np.testing.assert_array_equal(none, plain.transform("image", views["image"]))


def test_unlabelled_items_and_missing_classes_take_no_part_in_teaching() -> None:
    views, labels = histograms()
    hidden = {"image": np.where(np.arange(200) % 4 == 0, -1, labels["image"]), "text": labels["text"].copy()}
    hidden["image"][hidden["image"] == 2] = -1
    space = space_of("kernel_logistic", kernel="chi_square", taught=0.7).fit(views, hidden)
    image = space.posteriors("image", views["image"])
    assert not image[:, 2].any()
    np.testing.assert_allclose(image.sum(axis=1), 1)
    changed = {"image": views["image"].copy(), "text": views["text"]}
    changed["image"][hidden["image"] < 0] = 0.5
    again = space_of("kernel_logistic", kernel="chi_square", taught=0.7).fit(changed, hidden)
    np.testing.assert_array_equal(again.posteriors("image", views["image"]), image)


@pytest.mark.parametrize("classes", [2, 4])
def test_walks_through_stored_trees_end_where_those_of_scikit_learn_do(classes: int) -> None:
    from sklearn.ensemble import ExtraTreesRegressor

    views, labels = rings(classes=classes)
    space = space_of("extra_trees", seed=3, split_features=1.0).fit(views, labels)
    x = (views["image"] - space.means_["image"]) * space.scales_["image"]
    forest = ExtraTreesRegressor(20, min_samples_leaf=2, random_state=3).fit(
        x, np.eye(classes)[labels["image"]]
    )
    new = np.random.default_rng(1).standard_normal((200, 2)) * 2
    expected = forest.predict((new - space.means_["image"]) * space.scales_["image"])
    np.testing.assert_allclose(space.posteriors("image", new), expected, atol=1e-6)


def test_posteriors_of_several_classifiers_are_averaged_and_sum_to_one() -> None:
    views, labels = rings()
    new = np.random.default_rng(2).standard_normal((50, 2))
    together = SemanticMatching(CLASSIFIERS, trees=20, leaf=2).fit(views, labels)
    alone = [space_of(name).fit(views, labels).posteriors("image", new) for name in CLASSIFIERS]
    posteriors = together.posteriors("image", new)
    np.testing.assert_allclose(posteriors, np.mean(alone, axis=0))
    np.testing.assert_allclose(posteriors.sum(axis=1), 1)
    assert posteriors.min() >= 0


@pytest.mark.parametrize("classifier", ["kernel_logistic", "extra_trees"])
def test_classes_that_no_linear_map_separates_are_matched_across_modalities(classifier: str) -> None:
    views, labels = rings(n=600)
    y = labels["image"]

    def precision(space: SemanticMatching) -> float:
        space.fit({m: x[:400] for m, x in views.items()}, dict.fromkeys(views, y[:400]))
        image, text = (space.transform(m, views[m][400:]) for m in views)
        return float(rank(inner_product(image, text), y[400:], y[400:]).average_precision.mean())

    assert precision(space_of(classifier, kernel_C=100.0, width=3.0)) > 0.9
    assert precision(space_of("logistic")) < 0.6


def test_similarities_are_inner_product_cosine_and_correlation_of_posteriors() -> None:
    views, labels = rings()
    placed = {
        name: space_of("logistic", similarity=name).fit(views, labels).transform("image", views["image"][:20])
        for name in ("inner_product", "cosine", "correlation")
    }
    p = placed["inner_product"].astype(float)
    length = np.linalg.norm(p, axis=1)
    np.testing.assert_allclose(
        placed["cosine"] @ placed["cosine"].T, p @ p.T / np.outer(length, length), atol=1e-5
    )
    np.testing.assert_allclose(placed["correlation"] @ placed["correlation"].T, np.corrcoef(p), atol=1e-4)
    assert all(x.dtype == np.float32 for x in placed.values())


def test_items_without_a_label_do_not_change_what_is_learnt() -> None:
    views, labels = rings()
    hidden = {m: np.where(np.arange(300) % 3 == 0, -1, y) for m, y in labels.items()}
    kept = {m: x[hidden[m] >= 0] for m, x in views.items()}
    without = space_of("extra_trees").fit(kept, {m: y[y >= 0] for m, y in hidden.items()})
    placed = space_of("extra_trees").fit_transform(views, hidden)
    np.testing.assert_array_equal(placed["image"], without.transform("image", views["image"]))


def test_a_class_that_one_modality_lacks_has_probability_zero_there() -> None:
    views, labels = rings()
    y = labels["text"]
    space = SemanticMatching(CLASSIFIERS, trees=5)
    space.fit({"image": views["image"], "text": views["text"][y != 1]}, {"image": y, "text": y[y != 1]})
    assert space.transform("image", views["image"]).shape == (300, 3)
    text = space.transform("text", views["text"])
    assert not text[:, 1].any()
    np.testing.assert_allclose(text.sum(axis=1), 1, atol=1e-6)


def test_fit_is_deterministic_and_saved_space_transforms_the_same(tmp_path: Path) -> None:
    views, labels = rings()
    space = SemanticMatching(CLASSIFIERS, landmarks=50, trees=10).fit(views, labels)
    space.save(tmp_path)
    again = SemanticMatching(CLASSIFIERS, landmarks=50, trees=10).fit(views, labels)
    for other in (REGISTRY.load(tmp_path), again):
        for m, x in views.items():
            np.testing.assert_array_equal(other.transform(m, x), space.transform(m, x))


def test_taught_space_is_the_same_once_saved(tmp_path: Path) -> None:
    views, labels = histograms()
    weights = {"kernel_logistic": 0.7, "extra_trees": 0.3}
    space = SemanticMatching(weights, kernel="chi_square", taught=0.5, prior=0.5, trees=10).fit(views, labels)
    space.save(tmp_path)
    for m, x in views.items():
        np.testing.assert_array_equal(REGISTRY.load(tmp_path).transform(m, x), space.transform(m, x))


@pytest.mark.parametrize(
    ("parameters", "labels", "message"),
    [
        ({}, None, "learns from class labels"),
        ({}, {"image": np.array([0, 1, 1]), "text": np.array([0, 1])}, "text needs 3 labels, not 2"),
        ({}, {"image": np.array([-1, -1, -1]), "text": np.array([0, 1, 1])}, "image has none"),
        ({}, {"image": np.array([0, 0, -1]), "text": np.array([0, 1, 1])}, "image has items of one class"),
        ({"classifiers": ["forest"]}, None, "unknown classifiers .*forest.*; known: logistic"),
        ({"similarity": "angle"}, None, "unknown similarity 'angle'; known: inner_product"),
        ({"kernel": "cubic"}, None, "unknown kernel 'cubic'; known: rbf, chi_square"),
        ({"taught": 1.5}, None, "taught must be from 0 to 1, not 1.5"),
    ],
)
def test_wrong_input_is_named(parameters: dict[str, Any], labels: Arrays | None, message: str) -> None:
    with pytest.raises(XmerError, match=message):
        SemanticMatching(**parameters).fit({"image": np.ones((3, 2)), "text": np.ones((3, 2))}, labels)


def test_wikipedia_is_retrieved_as_well_as_hoped(wikipedia: Wikipedia) -> None:
    space = SemanticMatching(**WIKIPEDIA).fit(wikipedia.train, wikipedia.labels)
    assert wikipedia.retrieved(space) >= 0.32
