"""CCA against direct solutions, scikit-learn and data whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import eigh

from xmer_spark.errors import XmerError
from xmer_spark.spaces import REGISTRY
from xmer_spark.spaces.linear.cca import CCA


def two_views(n: int = 400, shared: int = 3, noise: float = 1.0, seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    z = random.standard_normal((n, shared))
    return {
        modality: z @ random.standard_normal((shared, width)) + noise * random.standard_normal((n, width))
        for modality, width in (("image", 9), ("text", 6))
    }


def test_correlations_equal_those_of_scikit_learn() -> None:
    from sklearn.cross_decomposition import CCA as SklearnCCA

    views = two_views(n=150)
    ours = CCA(dimensions=4, regularisation=0.0).fit(views)
    a, b = SklearnCCA(n_components=4, scale=False).fit_transform(views["image"], views["text"])
    theirs = [np.corrcoef(a[:, i], b[:, i])[0, 1] for i in range(4)]
    np.testing.assert_allclose(ours.correlations_, theirs, atol=1e-4)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), ridge=st.floats(0.01, 3.0))
def test_two_regularised_modalities_give_the_solution_of_the_single_sided_eigenproblem(
    seed: int, ridge: float
) -> None:
    views = two_views(n=60, seed=seed)
    x, y = (view - view.mean(axis=0) for view in views.values())
    c_x, c_y, c_xy = x.T @ x / 60, y.T @ y / 60, x.T @ y / 60
    b_x = c_x + ridge * np.trace(c_x) / 9 * np.eye(9)
    b_y = c_y + ridge * np.trace(c_y) / 6 * np.eye(6)
    expected = eigh(c_xy @ np.linalg.solve(b_y, c_xy.T), b_x, eigvals_only=True)[::-1][:6]
    ours = CCA(dimensions=6, regularisation=ridge).fit(views)
    np.testing.assert_allclose(ours.correlations_**2, expected[: len(ours.correlations_)], atol=1e-7)


def test_items_of_one_thing_find_each_other_where_the_views_share_their_causes() -> None:
    views = two_views(n=600, shared=5, noise=0.02)
    train = {modality: view[:400] for modality, view in views.items()}
    space = CCA(dimensions=5, regularisation=1e-3).fit(train)
    image, text = (space.transform(m, views[m][400:]) for m in ("image", "text"))
    assert (np.argmax(image @ text.T, axis=1) == np.arange(200)).mean() > 0.95


def test_order_of_rows_does_not_matter_where_pairs_say_what_belongs_together() -> None:
    views = two_views(n=100)
    order = np.random.default_rng(1).permutation(100)
    shuffled = {"image": views["image"], "text": views["text"][order]}
    pairs = {("image", "text"): np.column_stack([order, np.arange(100)])}
    aligned, paired = CCA(dimensions=5).fit(views), CCA(dimensions=5).fit(shuffled, pairs=pairs)
    np.testing.assert_allclose(aligned.correlations_, paired.correlations_)


def test_pairs_within_a_modality_favour_what_its_sources_share() -> None:
    random = np.random.default_rng(3)
    z = random.standard_normal((300, 6))
    style = random.standard_normal((2, 6)) * np.array([0, 0, 0, 2, 2, 2])
    image = np.vstack([z + s * random.standard_normal((300, 1)) for s in style])
    text = z + random.standard_normal((300, 6))
    rows = np.arange(300)
    across = np.vstack([np.column_stack([rows, rows]), np.column_stack([rows + 300, rows])])
    pairs = {("image", "text"): across, ("image", "image"): np.column_stack([rows, rows + 300])}

    def agreement(within: float) -> float:
        space = CCA(dimensions=6, within=within).fit({"image": image, "text": text}, pairs=pairs)
        both = space.transform("image", image)
        return float((both[:300] * both[300:]).sum(axis=1).mean())

    assert agreement(2.0) > agreement(0.0)


def test_class_labels_draw_items_of_one_class_together() -> None:
    random = np.random.default_rng(4)
    y = random.integers(-1, 4, 400)
    centres = random.standard_normal((5, 8))
    views = {m: centres[y] + 2 * random.standard_normal((400, 8)) for m in ("image", "text")}
    labels = dict.fromkeys(views, y)

    def same_class_cosine(class_weight: float) -> float:
        space = CCA(dimensions=4, class_weight=class_weight, power=0).fit(views, labels)
        cosine = space.transform("image", views["image"]) @ space.transform("text", views["text"]).T
        known = y >= 0
        same = (y[:, None] == y) & known[:, None] & known
        return float(cosine[same].mean() - cosine[~same].mean())

    assert same_class_cosine(2.0) > same_class_cosine(0.0)


def test_rows_have_unit_length_and_float32() -> None:
    views = two_views()
    x = CCA(dimensions=5).fit(views).transform("image", views["image"])
    assert x.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), 1, atol=1e-6)


def test_saved_space_transforms_the_same(tmp_path) -> None:  # type: ignore[no-untyped-def]
    views = two_views()
    space = CCA(dimensions=5, regularisation={"image": 0.1, "text": 0.3}).fit(views)
    space.save(tmp_path)
    loaded = REGISTRY.load(tmp_path)
    np.testing.assert_array_equal(
        loaded.transform("text", views["text"]), space.transform("text", views["text"])
    )


def test_a_third_modality_joins_the_same_space() -> None:
    random = np.random.default_rng(5)
    z = random.standard_normal((300, 3))
    views = {m: z @ random.standard_normal((3, 7)) for m in ("image", "text", "relational")}
    space = CCA(dimensions=3, regularisation=1e-3).fit(views)
    x = {m: space.transform(m, view) for m, view in views.items()}
    assert (x["image"] * x["relational"]).sum(axis=1).min() > 0.99


@pytest.mark.parametrize(
    ("views", "pairs", "message"),
    [
        ({"image": np.ones((3, 2)), "text": np.ones((4, 2))}, None, "equally many rows"),
        ({"image": np.ones((3, 2))}, {("image", "text"): np.zeros((1, 2), int)}, "no view of text"),
        ({"image": np.ones((3, 2))}, {("image", "image"): np.array([[0, 3]])}, "outside its view"),
        ({"image": np.ones((3, 2)), "text": np.ones((3, 2))}, None, "no correlated direction"),
    ],
)
def test_wrong_input_is_named(views, pairs, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(XmerError, match=message):
        CCA().fit(views, pairs=pairs)
