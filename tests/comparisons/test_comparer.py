"""All that two records can be compared by: fields by their types, contents in the space."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from xmer_spark.comparisons import REGISTRY
from xmer_spark.comparisons.comparer import Comparer
from xmer_spark.comparisons.space import MEASURES, Surroundings
from xmer_spark.names import WHOLE
from xmer_spark.numerics.evidence import pair_kind_name
from xmer_spark.numerics.records import EMBEDDING, SURROUNDINGS, Records

FIELDS = {"title": "text", "price": "number"}
CONTENTS = {"photo": "image", "title": "text"}
TITLES = np.array(["red apple 7", "green pear", None, "red apple pie 7", "fig"], object)
PRICES = np.array(["1", None, "3.5", "1.0", "20"], object)
N = len(TITLES)


@lru_cache(maxsize=1)
def space() -> Surroundings:
    return Surroundings(reference=50).fit({m: vectors(60, seed) for seed, m in enumerate(("image", "text"))})


def vectors(n: int, seed: int) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal((n, 6)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@lru_cache(maxsize=1)
def fitted() -> Comparer:
    values = Records("goods", np.arange(N), {"title": TITLES, "price": PRICES})
    return Comparer(FIELDS, CONTENTS).fit([values]).around(space())


def coded(field: str, x: np.ndarray, missing: tuple[int, ...] = ()) -> dict[str, np.ndarray]:
    """The columns of a content field, of which some records have none."""
    found = {field + EMBEDDING: x.copy(), field + SURROUNDINGS: space().of(CONTENTS[field], x)}
    for values in found.values():
        values[list(missing)] = np.nan
    return found


def goods(seed: int = 5) -> Records:
    """Records with all fields, some of whose values are missing."""
    columns = {"title": TITLES, "price": PRICES}
    columns |= coded("photo", vectors(N, seed), missing=(1, 2)) | coded(
        "title", vectors(N, seed + 1), missing=(2,)
    )
    return Records("goods", np.arange(N), columns)


def measured(left: Records, right: Records) -> dict[str, np.ndarray]:
    """Every measure of every two records, as a matrix."""
    i, j = np.divmod(np.arange(len(left) * len(right)), len(right))
    found = fitted().evidence(fitted().prepare(left), fitted().prepare(right), i, j)
    assert found.values.dtype == np.float32
    return {name: found.values[:, k].reshape(len(left), len(right)) for k, name in enumerate(fitted().names)}


def kinds(left: Records, right: Records) -> list[list[str]]:
    i, j = np.divmod(np.arange(len(left) * len(right)), len(right))
    found = fitted().evidence(fitted().prepare(left), fitted().prepare(right), i, j).kind
    return [[pair_kind_name(kind) for kind in row] for row in found.reshape(len(left), -1).tolist()]


def test_names_say_what_is_compared_by_which_measure() -> None:
    names = fitted().names
    assert len(set(names)) == len(names)
    by_pair: dict[str, list[str]] = {}
    for name in names:
        pair, _, measure = name.partition("/")
        by_pair.setdefault(pair, []).append(measure)
    text = list(REGISTRY.method("text").measures)
    assert by_pair == {
        "price~price": list(REGISTRY.method("number").measures),
        "title~title": [*text, *MEASURES],  # its letters, and its place in the space
        "photo~photo": list(MEASURES),
        "photo~title": list(MEASURES),
    }


def test_without_a_space_there_are_fields_alone_and_without_a_shared_one_no_two_modalities() -> None:
    bare = fitted().around(None)
    assert {name.split("/")[0] for name in bare.names} == {"price~price", "title~title"}
    assert not set(bare.names) & {f"title~title/{measure}" for measure in MEASURES}
    apart = Surroundings(shared=False).fit({m: vectors(60, 1) for m in ("image", "text")})
    assert fitted().around(apart).content_pairs == [("photo", "photo"), ("title", "title")]
    pictures = Surroundings().fit({"image": vectors(60, 1)})
    assert fitted().around(pictures).content_pairs == [("photo", "photo")]


def test_fields_are_compared_as_their_types_say() -> None:
    found = measured(goods(), goods(9))
    for name, kind in FIELDS.items():
        comparison = REGISTRY.build(kind).fit({"title": TITLES, "price": PRICES}[name])
        side = comparison.prepare({"title": TITLES, "price": PRICES}[name])
        i, j = np.divmod(np.arange(N * N), N)
        expected = comparison.compare(side, side, i, j)
        for k, measure in enumerate(comparison.measures):
            np.testing.assert_array_equal(found[f"{name}~{name}/{measure}"].ravel(), expected[:, k])


def test_what_either_record_lacks_is_missing() -> None:
    found = measured(goods(), goods(9))
    no_title, no_photo, no_price = np.arange(N) == 2, np.isin(np.arange(N), (1, 2)), np.arange(N) == 1
    for name, lacks in (("title~title/equal", no_title), ("price~price/near", no_price)):
        assert np.array_equal(np.isnan(found[name]), lacks[:, None] | lacks)
    assert np.array_equal(np.isnan(found["photo~photo/cosine"]), no_photo[:, None] | no_photo)
    assert np.array_equal(np.isnan(found["title~title/cosine"]), no_title[:, None] | no_title)


def test_what_a_source_lacks_altogether_is_missing_and_the_rest_is_as_ever() -> None:
    whole, other = goods(), goods(9)
    part = Records("part", other.keys, {"title": other.columns["title"]})
    found, everything = measured(whole, part), measured(whole, other)
    compared = {name for name, values in found.items() if not np.isnan(values).all()}
    assert compared == {f"title~title/{measure}" for measure in REGISTRY.method("text").measures}
    for name in compared:
        np.testing.assert_array_equal(found[name], everything[name])
    nothing = measured(whole, Records("empty", np.arange(3), {}))
    assert all(np.isnan(values).all() for values in nothing.values())


def test_two_contents_are_compared_whichever_record_has_which() -> None:
    photos = Records("photos", np.arange(N), coded("photo", vectors(N, 5)))
    titles = Records("titles", np.arange(N), coded("title", vectors(N, 6)))
    forth, back = measured(photos, titles), measured(titles, photos)
    cosine = vectors(N, 5) @ vectors(N, 6).T
    np.testing.assert_allclose(forth["photo~title/cosine"], cosine, atol=1e-6)
    np.testing.assert_allclose(back["photo~title/cosine"], cosine.T, atol=1e-6)


def test_where_both_ways_round_are_there_the_one_that_says_more_counts() -> None:
    left, right = goods(), goods(9)
    found = measured(left, right)
    one = left.columns["photo" + EMBEDDING] @ right.columns["title" + EMBEDDING].T
    other = left.columns["title" + EMBEDDING] @ right.columns["photo" + EMBEDDING].T
    np.testing.assert_allclose(found["photo~title/cosine"], np.fmax(one, other), atol=1e-6)
    assert not np.isnan(found["photo~title/cosine"][1, 0])  # one way round is enough


@pytest.mark.parametrize("seed", range(3))
def test_evidence_has_no_side(seed: int) -> None:
    left, right = goods(seed), goods(seed + 20)
    forth, back = measured(left, right), measured(right, left)
    for name, values in forth.items():
        np.testing.assert_allclose(values, back[name].T, atol=1e-6, err_msg=name)


def test_a_pair_has_the_same_evidence_in_any_company() -> None:
    left, right = goods(), goods(9)
    whole = measured(left, right)
    part = measured(left.where(np.array([3, 0])), right.where(np.array([4])))
    for name, values in part.items():
        np.testing.assert_array_equal(values, whole[name][[3, 0]][:, [4]], err_msg=name)


def test_the_kind_of_a_pair_is_which_encoded_contents_its_records_have() -> None:
    photos = Records("photos", np.arange(N), coded("photo", vectors(N, 5)))
    found = kinds(goods(), photos)
    assert [row[0] for row in found] == [
        "image-image+text", "image-text", "image-row", "image-image+text", "image-image+text",
    ]  # fmt: skip
    assert kinds(photos, goods()) == [list(column) for column in zip(*found, strict=True)]
    # A text that is not encoded is a field like any other.
    rows = Records("rows", np.arange(N), {"title": TITLES})
    assert {kind for row in kinds(rows, rows) for kind in row} == {"row-row"}


def test_sources_are_comparable_by_a_common_field_or_by_contents_that_the_space_knows() -> None:
    comparer, photo, title = fitted(), ["photo" + EMBEDDING], ["title" + EMBEDDING]
    assert comparer.comparable(["title"], ["title", "price"])
    assert comparer.comparable(photo, title)
    assert comparer.comparable(title, photo)
    assert not comparer.comparable(["price"], ["title"])
    assert not comparer.comparable(["price", *photo], ["title"])
    apart = comparer.around(Surroundings(shared=False).fit({m: vectors(60, 1) for m in ("image", "text")}))
    assert not apart.comparable(photo, title)
    assert apart.comparable(photo, photo)
    assert not comparer.around(None).comparable(photo, photo)


def test_a_loaded_comparer_compares_as_the_one_that_was_saved(tmp_path: Path) -> None:
    left, right = goods(), goods(9)
    i, j = np.divmod(np.arange(N * N), N)
    for place, comparer in enumerate((fitted(), fitted().around(None))):
        comparer.save(tmp_path / str(place))
        loaded = Comparer.load(tmp_path / str(place))
        assert loaded.names == comparer.names
        found, expected = (
            each.evidence(each.prepare(left), each.prepare(right), i, j) for each in (loaded, comparer)
        )
        np.testing.assert_array_equal(found.values, expected.values)
        np.testing.assert_array_equal(found.kind, expected.kind)


def test_several_texts_are_compared_as_one_too_wherever_a_value_stands() -> None:
    left = Records("a", np.arange(3), {"title": np.array(["Acme lamp", None, None], object)})
    right = Records("b", np.arange(2), {"maker": np.array(["acme", None], object),
                                        "title": np.array(["lamp", None], object)})  # fmt: skip
    comparer = Comparer({"title": "text", "maker": "name"}, {}).fit([left, right])
    assert f"{WHOLE}~{WHOLE}/token_set" in comparer.names
    i, j = np.divmod(np.arange(6), 2)
    found = comparer.evidence(comparer.prepare(left), comparer.prepare(right), i, j).values
    whole = found[:, comparer.names.index(f"{WHOLE}~{WHOLE}/token_set")]
    np.testing.assert_array_equal(whole, [1, *[np.nan] * 5])
