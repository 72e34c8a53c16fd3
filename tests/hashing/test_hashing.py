"""What holds for every hasher: packing, distances, interface, saving, and determinism."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from xmer_spark.errors import XmerError
from xmer_spark.hashing import REGISTRY
from xmer_spark.hashing.base import Hasher
from xmer_spark.numerics.hamming import hamming, hamming_matrix, pack, unpack

#: Parameters with which each method is quick on the little data here.
QUICK: dict[str, dict[str, Any]] = {
    "anchor_graph": {"anchors": 80},
    "cmssh": {"count": 500, "step": 0.1},
    "crh": {"count": 500},
    "cvh": {},
    "dcmh": {
        "supervision": "labels",
        "rounds": 20,
        "hidden": 32,
        "batch": 50,
        "learning_rate": 0.01,
        "dropout": 0.0,
        "balance": 1.0,
    },
    "imh": {},
    "itq": {"iterations": 10},
    "scm": {},
    "sign": {},
    "spectral": {},
}
COMMON = ("anchor_graph", "itq", "sign", "spectral")
CROSS_MODAL = tuple(sorted(set(QUICK) - set(COMMON)))

Views = dict[str, np.ndarray]


def build(name: str, bits: int = 32, **parameters: Any) -> Hasher:
    hasher: Hasher = REGISTRY.build(name, {"bits": bits, **QUICK[name], **parameters})
    return hasher


def two_views(
    n: int = 300, widths: tuple[int, int] = (14, 12), noise: float = 0.3, seed: int = 0
) -> tuple[Views, dict[str, np.ndarray]]:
    """Two linear images of the same causes, which come in four classes."""
    random = np.random.default_rng(seed)
    classes = random.integers(0, 4, n)
    causes = 1.5 * random.standard_normal((4, 6))[classes] + random.standard_normal((n, 6))
    views = {
        m: causes @ random.standard_normal((6, d)) + noise * random.standard_normal((n, d)) + 3
        for m, d in zip(("image", "text"), widths, strict=True)
    }
    return views, dict.fromkeys(views, classes)


def test_every_registered_method_is_tested_here() -> None:
    assert set(QUICK) == set(REGISTRY.methods)


@settings(deadline=None)
@given(arrays(bool, st.tuples(st.integers(0, 9), st.integers(1, 200))))
def test_unpacking_gives_back_what_was_packed(bits: np.ndarray) -> None:
    codes = pack(bits)
    assert codes.dtype == np.uint64
    assert codes.shape == (len(bits), -(-bits.shape[1] // 64))
    np.testing.assert_array_equal(unpack(codes, bits.shape[1]), bits)


@settings(deadline=None)
@given(arrays(bool, (3, 72)))
def test_bits_beyond_the_code_are_zero(bits: np.ndarray) -> None:
    assert not unpack(pack(bits))[:, 72:].any()


@settings(deadline=None)
@given(arrays(bool, st.tuples(st.just(2), st.sampled_from([16, 40, 128]))))
def test_distance_is_the_number_of_differing_bits(bits: np.ndarray) -> None:
    codes = pack(bits)
    expected = int((bits[0] ^ bits[1]).sum())
    assert hamming(codes[:1], codes[1:]).tolist() == [expected]
    assert hamming_matrix(codes[:1], codes[1:]).tolist() == [[expected]]


@pytest.mark.parametrize("name", sorted(QUICK))
@pytest.mark.parametrize("bits", [16, 72])
def test_codes_have_as_many_bits_as_asked_and_none_is_constant(name: str, bits: int) -> None:
    views, labels = two_views(widths=(12, 12))
    hasher = build(name, bits).fit(views, labels)
    for modality, view in views.items():
        codes = hasher.codes(modality, view)
        assert (codes.dtype, codes.shape) == (np.uint64, (300, -(-bits // 64)))
        found = unpack(codes)
        assert found[:, :bits].any(axis=0).all()
        assert not found[:, :bits].all(axis=0).any()
        assert not found[:, bits:].any()


@pytest.mark.parametrize("name", sorted(QUICK))
def test_the_same_seed_gives_the_same_codes_and_so_does_a_saved_hasher(name: str, tmp_path: Path) -> None:
    views, labels = two_views(widths=(12, 12))
    new, _ = two_views(widths=(12, 12), seed=1)
    hasher = build(name).fit(views, labels)
    build(name).fit(views, labels).save(tmp_path)
    loaded = REGISTRY.load(tmp_path)
    for modality, view in new.items():
        np.testing.assert_array_equal(loaded.codes(modality, view), hasher.codes(modality, view))


@pytest.mark.parametrize("name", sorted(QUICK))
def test_an_items_code_depends_on_the_item_alone(name: str) -> None:
    views, labels = two_views(widths=(12, 12))
    hasher = build(name).fit(views, labels)
    whole = hasher.codes("image", views["image"])
    np.testing.assert_array_equal(hasher.codes("image", views["image"][7:60]), whole[7:60])


@pytest.mark.parametrize("name", CROSS_MODAL)
def test_paired_items_of_unaligned_views_get_near_codes(name: str) -> None:
    views, labels = two_views()
    train = {m: x[:200] for m, x in views.items()}
    hasher = build(name, 64).fit(train, {m: y[:200] for m, y in labels.items()})
    image, text = (hasher.codes(m, x[200:]) for m, x in views.items())
    distance = hamming_matrix(image, text) / 64
    own = distance.diagonal().mean()
    assert own < 0.4, f"pairs differ in {own:.2f} of the bits"
    assert own < distance.mean() - 0.1, f"pairs differ in {own:.2f}, all in {distance.mean():.2f}"


def test_sign_projections_of_unaligned_views_do_not_bring_pairs_near() -> None:
    views, _ = two_views(widths=(12, 12))
    hasher = build("sign", 64).fit(views)
    distance = hamming_matrix(*(hasher.codes(m, x) for m, x in views.items())) / 64
    assert distance.diagonal().mean() > distance.mean() - 0.08


@pytest.mark.parametrize("name", CROSS_MODAL)
def test_pairs_stand_for_aligned_rows(name: str) -> None:
    views, labels = two_views()
    index = np.repeat(np.arange(300), 2).reshape(-1, 2)
    aligned = build(name).fit(views, labels)
    paired = build(name).fit(views, labels, {("image", "text"): index})
    for modality, view in views.items():
        np.testing.assert_array_equal(paired.codes(modality, view), aligned.codes(modality, view))


@pytest.mark.parametrize("name", CROSS_MODAL)
def test_a_third_modality_and_unpaired_items_are_taken_along(name: str) -> None:
    views, labels = two_views()
    views["table"] = (views["image"] @ np.random.default_rng(2).standard_normal((14, 9)))[:250]
    labels["table"] = labels["image"][:250]
    index = np.repeat(np.arange(240), 2).reshape(-1, 2)
    pairs = {("image", "text"): index, ("image", "table"): index, ("image", "image"): index[:0]}
    hasher = build(name).fit(views, labels, pairs)
    codes = {m: hasher.codes(m, x[:240]) for m, x in views.items()}
    for a, b in (("image", "text"), ("image", "table"), ("text", "table")):
        distance = hamming_matrix(codes[a], codes[b])
        assert distance.diagonal().mean() < distance.mean() - 2


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("scm", {})] + [(name, {"supervision": "labels"}) for name in ("cmssh", "crh", "dcmh")],
)
@pytest.mark.parametrize("known", [None, -1], ids=["no labels", "unknown labels"])
def test_methods_that_need_labels_say_so(name: str, parameters: dict[str, Any], known: int | None) -> None:
    views, _ = two_views()
    labels = None if known is None else {m: np.full(len(x), known) for m, x in views.items()}
    with pytest.raises(XmerError, match=f"{name} learns from class labels; image, text has none"):
        build(name, **parameters).fit(views, labels)


@pytest.mark.parametrize("name", COMMON)
def test_methods_for_a_common_space_refuse_views_of_different_widths(name: str) -> None:
    with pytest.raises(XmerError, match="needs a common space"):
        build(name).fit(two_views()[0])


@pytest.mark.parametrize("name", CROSS_MODAL)
def test_views_without_pairs_must_be_aligned_where_pairs_are_needed(name: str) -> None:
    views, labels = two_views()
    views["text"], labels = views["text"][:90], {**labels, "text": labels["text"][:90]}
    if name == "scm":  # learns from labels alone
        assert build(name).fit(views, labels).codes("text", views["text"]).shape == (90, 1)
        return
    with pytest.raises(XmerError, match="equally many rows"):
        build(name).fit(views, labels)


@pytest.mark.parametrize("name", ["cmssh", "crh", "cvh"])
def test_a_modality_without_pairs_is_named(name: str) -> None:
    views, _ = two_views()
    index = np.repeat(np.arange(300), 2).reshape(-1, 2)
    views["table"] = views["image"]
    with pytest.raises(XmerError, match="no pairs of table with another"):
        build(name).fit(views, None, {("image", "text"): index})


@pytest.mark.parametrize(("other", "row"), [("sound", 0), ("text", 300)])
def test_pairs_that_lead_nowhere_are_named(other: str, row: int) -> None:
    with pytest.raises(XmerError, match=f"pairs of image and {other}"):
        build("cvh").fit(two_views()[0], None, {("image", other): np.array([[0, row]])})


@pytest.mark.parametrize("bits", [8, 100, 0])
def test_bits_that_do_not_fill_bytes_are_refused(bits: int) -> None:
    with pytest.raises(XmerError, match="multiple of 8, at least 16"):
        build("itq", bits).fit(two_views(widths=(12, 12))[0])
