"""What two items have in common in the common space: from the two items and the model alone."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from xmer_spark.comparisons.space import MEASURES, Surroundings, hubness

PAIR = ("image", "text")


def items(n: int = 200, seed: int = 0, noise: float = 0.7) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Embeddings of n things in two modalities, and their classes."""
    random = np.random.default_rng(seed)
    z = random.standard_normal((n, 12))
    views = {m: z + noise * random.standard_normal(z.shape) for m in PAIR}
    unit = {m: (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32) for m, x in views.items()}
    return unit, (z[:, 0] > 0).astype(int) + (z[:, 1] > 0)


@lru_cache(maxsize=1)
def fitted() -> Surroundings:
    x, y = items(seed=1)
    return Surroundings(reference=150).fit(x, dict.fromkeys(PAIR, y))


def evidence(
    around: Surroundings, x: dict[str, np.ndarray], pair: tuple[str, str] = PAIR
) -> dict[str, np.ndarray]:
    """The measures of every two items of two modalities, each as a matrix."""
    a, b = pair
    i, j = np.divmod(np.arange(len(x[a]) * len(x[b])), len(x[b]))
    found = around.evidence((a, x[a], around.of(a, x[a])), (b, x[b], around.of(b, x[b])), i, j)
    assert found.dtype == np.float32
    return {name: found[:, k].reshape(len(x[a]), -1) for k, name in enumerate(MEASURES)}


def test_evidence_depends_on_the_two_items_alone() -> None:
    around, (x, _) = fitted(), items(seed=3)
    whole, few = evidence(around, x), evidence(around, {m: v[:5] for m, v in x.items()})
    for name, values in few.items():
        np.testing.assert_array_equal(whole[name][:5, :5], values)


def test_evidence_is_what_its_definition_says() -> None:
    around, (x, _) = fitted(), items(seed=3)
    found = evidence(around, x)
    cosine = x["image"] @ x["text"].T
    r_image = np.sort(x["image"] @ around.reference_["text"].T, axis=1)[:, -10:].mean(axis=1)
    r_text = np.sort(x["text"] @ around.reference_["image"].T, axis=1)[:, -10:].mean(axis=1)
    np.testing.assert_allclose(found["cosine"], cosine, atol=1e-5)
    np.testing.assert_allclose(found["csls"], 2 * cosine - r_image[:, None] - r_text, atol=1e-5)


def test_class_posteriors_agree_more_within_a_class() -> None:
    around, (x, y) = fitted(), items(seed=3)
    agreement = evidence(around, x)["posterior_agreement"]
    same = y[:, None] == y
    assert agreement[same].mean() > agreement[~same].mean() + 0.05
    assert agreement.min() >= 0
    assert agreement.max() <= 1 + 1e-6


def test_order_of_the_modalities_does_not_matter() -> None:
    x, _ = items(seed=5)
    forth, back = evidence(fitted(), x), evidence(fitted(), x, ("text", "image"))
    for name in MEASURES:
        np.testing.assert_allclose(forth[name], back[name].T, atol=1e-6)


def test_without_labels_there_is_no_posterior_agreement() -> None:
    x, y = items(seed=1)
    for labels in (None, dict.fromkeys(PAIR, np.full(200, -1)), dict.fromkeys(PAIR, np.zeros(200, int))):
        around = Surroundings().fit(x, labels)
        found = evidence(around, x)
        assert np.isnan(found["posterior_agreement"]).all()
        assert not np.isnan(found["csls"]).any()
    assert np.isnan(evidence(Surroundings().fit(x, {"image": y}), x)["posterior_agreement"]).all()


def test_a_class_that_one_modality_never_has_is_improbable_there() -> None:
    x, y = items(seed=1)
    around = Surroundings().fit(x, {"image": y, "text": np.where(y == 2, -1, y)})
    posterior = around.of("text", x["text"])[:, 2:]
    assert posterior.shape == (200, 3)
    np.testing.assert_allclose(posterior.sum(axis=1), 1, atol=1e-5)
    assert posterior[:, 2].max() < 1e-6


def test_without_a_shared_space_each_modality_has_its_own_surroundings() -> None:
    x, _ = items(seed=1)
    around = Surroundings(shared=False).fit(x)
    assert around.towards("image") == ["image"]
    assert fitted().towards("image") == ["image", "text"]
    assert around.of("image", x["image"]).shape == (200, 1)
    found = evidence(around, x, ("image", "image"))
    np.testing.assert_allclose(found["cosine"], x["image"] @ x["image"].T, atol=1e-5)
    with pytest.raises(ValueError, match="text"):
        evidence(around, x)


def test_what_is_missing_on_either_side_is_missing_in_every_measure() -> None:
    around, (x, _) = fitted(), items(n=6, seed=3)
    near = {m: around.of(m, v) for m, v in x.items()}
    for values in (x["image"], near["image"]):
        values[2] = np.nan
    i, j = np.divmod(np.arange(36), 6)
    sides = (("image", x["image"], near["image"]), ("text", x["text"], near["text"]))
    assert np.array_equal(np.isnan(around.evidence(*sides, i, j)), np.repeat(i == 2, 3).reshape(-1, 3))


def test_nearest_reference_items_make_the_hubness_even_if_there_are_fewer_than_asked_for() -> None:
    x = items()[0]["image"]
    np.testing.assert_allclose(hubness(x, x[:3], 10), (x @ x[:3].T).mean(axis=1), atol=1e-6)


def test_loaded_surroundings_are_those_that_were_saved(tmp_path: Path) -> None:
    fitted().save(tmp_path)
    loaded, (x, _) = Surroundings.load(tmp_path), items(seed=4)
    for modality in PAIR:
        assert np.array_equal(loaded.of(modality, x[modality]), fitted().of(modality, x[modality]))
