"""CDPAE: its distances, its neighbours, and what it learns where a linear method cannot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.spaces.known import Wikipedia, doubled_angles, retrieved
from xmer_spark.errors import XmerError
from xmer_spark.numerics.linalg import unit_rows
from xmer_spark.spaces import REGISTRY
from xmer_spark.spaces.deep.cdpae import CDPAE
from xmer_spark.spaces.linear.cca import CCA

SHORT = {"epochs": 5, "device": "cpu"}

#: Chosen on a validation part of the training documents.
WIKIPEDIA = {"similarity": "classes", "training": {"device": "cpu"}}


def test_without_any_labels_it_learns_what_linear_cca_cannot() -> None:
    views, _ = doubled_angles(800)
    test, y_test = doubled_angles(300, seed=1)
    assert retrieved(CCA(dimensions=2).fit(views), test, y_test) < 0.4
    training = {"epochs": 60, "rate": 5e-3, "device": "cpu"}
    space = CDPAE(
        8, [64], noise=0.0, preservation=1.0, activation="tanh", similarity="cosine", training=training
    ).fit(views)
    assert retrieved(space, test, y_test) > 0.75


def test_distances_within_a_modality_follow_those_of_the_inputs() -> None:
    random = np.random.default_rng(3)
    z = np.abs(random.standard_normal((400, 4)))
    views = {"image": np.hstack([z, z]), "text": z}
    training = {"epochs": 60, "rate": 5e-3, "device": "cpu"}

    def agreement(preservation: float) -> float:
        space = CDPAE(8, [32], preservation, noise=0, similarity="cosine", training=training).fit(views)
        encoded, unit = space.transform("image", views["image"]), unit_rows(z)
        return float(np.corrcoef((encoded @ encoded.T).ravel(), (unit @ unit.T).ravel())[0, 1])

    assert agreement(3.0) > 0.95
    assert agreement(3.0) > agreement(0.0)


def test_neighbours_give_the_probability_that_two_items_share_a_class() -> None:
    """The double sum of the paper's last step, over the neighbours of one image and one text."""
    views, _ = doubled_angles(60)
    space = CDPAE(6, [16], neighbours=5, training=SHORT).fit(views)
    image, text = (space.transform(m, view)[7] for m, view in views.items())
    chosen, weights = {}, {}
    for m in views:
        encoded = unit_rows(space.references_[m])
        nearest = np.sort(1 - encoded @ space._encode(m, views[m][7:8])[0])[:5]
        chosen[m] = encoded[np.argsort(1 - encoded @ space._encode(m, views[m][7:8])[0])[:5]]
        weights[m] = (1 - nearest / 2) / (1 - nearest / 2).sum()
    distance = 1 - chosen["image"] @ chosen["text"].T
    expected = weights["image"] @ (1 - distance / 2) @ weights["text"]
    assert image @ text == pytest.approx(expected, abs=1e-5)


def test_classes_of_neighbours_are_shares_and_unlabelled_items_are_no_neighbours() -> None:
    views, y = doubled_angles(200)
    labels = {"image": np.where(np.arange(200) % 2, 10 * y, -1), "text": 10 * y}
    training = {"epochs": 30, "rate": 5e-3, "device": "cpu"}
    space = CDPAE(8, [32], noise=0.0, similarity="classes", neighbours=9, training=training).fit(
        views, labels
    )
    assert len(space.references_["image"]) == 100
    shares = space.transform("image", views["image"])
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)
    assert (shares.argmax(axis=1) == y).mean() > 0.8


def test_only_classes_of_neighbours_need_labels() -> None:
    views, y = doubled_angles(30)
    CDPAE(4, [8], similarity="neighbours", training=SHORT).fit(views)
    with pytest.raises(XmerError, match="needs labelled items of every modality"):
        CDPAE(4, [8], similarity="classes", training=SHORT).fit(views, {"image": y})
    with pytest.raises(XmerError, match="one of cosine, neighbours, classes"):
        CDPAE(similarity="euclidean").fit(views)


def test_fewer_references_are_kept_where_asked() -> None:
    views, _ = doubled_angles(100)
    space = CDPAE(4, [8], references=30, neighbours=50, training=SHORT).fit(views)
    assert {len(r) for r in space.references_.values()} == {30}
    assert space.transform("image", views["image"]).shape == (100, 5)


def test_the_same_seed_gives_identical_weights_and_another_does_not() -> None:
    views, _ = doubled_angles(150)

    def weight(seed: int) -> np.ndarray:
        return CDPAE(4, [16], training={**SHORT, "seed": seed}).fit(views).encoders_["image"][1]["weight"]

    np.testing.assert_array_equal(weight(3), weight(3))
    assert not np.array_equal(weight(3), weight(4))


@pytest.mark.parametrize("similarity", ["cosine", "neighbours", "classes"])
def test_a_saved_space_transforms_the_same(tmp_path: Path, similarity: str) -> None:
    views, y = doubled_angles(100)
    space = CDPAE(4, [8], similarity=similarity, training=SHORT).fit(views, dict.fromkeys(views, y))
    space.save(tmp_path)
    ours, loaded = (s.transform("text", views["text"]) for s in (space, REGISTRY.load(tmp_path)))
    assert ours.dtype == np.float32
    np.testing.assert_array_equal(ours, loaded)
    assert space.transform("text", views["text"][:0]).shape == (0, ours.shape[1])


def test_a_third_modality_and_pairs_within_one_take_part() -> None:
    views, _ = doubled_angles(100)
    views["relational"] = views["text"] @ np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 1.0]])
    rows = np.repeat(np.arange(100), 2).reshape(-1, 2)
    twins = np.column_stack([np.arange(50), np.arange(50, 100)])
    pairs = {("image", "text"): rows, ("text", "relational"): rows, ("image", "image"): twins}
    space = CDPAE(4, [16], training=SHORT).fit(views, pairs=pairs)
    assert np.isfinite(space.losses_).all()
    assert space.transform("relational", views["relational"]).shape == (100, 5)


def test_wikipedia_is_ranked_as_well_as_promised(wikipedia: Wikipedia) -> None:
    rooted = wikipedia.rooted()
    space = CDPAE(**WIKIPEDIA).fit(rooted.train, rooted.labels)  # type: ignore[arg-type]
    assert rooted.retrieved(space) > 0.25
