"""The pair scorer: evidence of the two items and the model alone, and honest probabilities."""

from __future__ import annotations

from functools import lru_cache
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession
from xmer_spark.scoring.evidence import hubness

from xmer_spark import schema
from xmer_spark.errors import XmerError
from xmer_spark.method import loaded_once, saved_files
from xmer_spark.names import pair_name
from xmer_spark.numerics import rows as row_blocks
from xmer_spark.numerics.logistic import sigmoid
from xmer_spark.numerics.rows import in_blocks, inner_products
from xmer_spark.scoring import REGISTRY, stage
from xmer_spark.scoring.scorer import PairSample, PairScorer, join_samples
from xmer_spark.scoring.thresholds import best_threshold

PAIR = ("image", "text")


def items(n: int = 200, seed: int = 0, noise: float = 0.7) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Embeddings of n things in two modalities, and their classes."""
    random = np.random.default_rng(seed)
    z = random.standard_normal((n, 12))
    views = {m: z + noise * random.standard_normal(z.shape) for m in PAIR}
    unit = {m: (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32) for m, x in views.items()}
    return unit, (z[:, 0] > 0).astype(int) + (z[:, 1] > 0)


def all_pairs(n: int) -> tuple[np.ndarray, np.ndarray]:
    i, j = np.divmod(np.arange(n * n), n)
    return i, j


def sample(scorer: PairScorer, x: dict[str, np.ndarray]) -> PairSample:
    i, j = all_pairs(len(x["image"]))
    prepared = {m: scorer.prepare(m, x[m]) for m in PAIR}
    found = scorer.evidence(PAIR, prepared["image"], prepared["text"], i, j)
    return PairSample(found, i == j, np.ones(len(i)))


@lru_cache(maxsize=1)
def fitted() -> PairScorer:
    x, y = items(seed=1)
    scorer = PairScorer(reference=150).fit_items(x, dict.fromkeys(PAIR, y))
    unseen = sample(scorer, items(seed=2)[0])
    return scorer.fit_pairs({PAIR: unseen}).choose_thresholds({PAIR: unseen})


def test_evidence_depends_on_the_two_items_alone() -> None:
    scorer, (x, _) = fitted(), items(seed=3)
    whole = sample(scorer, x).evidence
    few = sample(scorer, {m: v[:5] for m, v in x.items()}).evidence
    i, j = all_pairs(200)
    rows = (i < 5) & (j < 5)
    for name, values in few.items():
        np.testing.assert_allclose(whole[name][rows], values, atol=1e-5)


def test_evidence_is_what_its_definition_says() -> None:
    scorer, (x, _) = fitted(), items(seed=3)
    found = sample(scorer, x).evidence
    cosine = x["image"] @ x["text"].T
    r_image = np.sort(x["image"] @ scorer.reference_["text"].T, axis=1)[:, -10:].mean(axis=1)
    r_text = np.sort(x["text"] @ scorer.reference_["image"].T, axis=1)[:, -10:].mean(axis=1)
    np.testing.assert_allclose(found["cosine"], cosine.ravel(), atol=1e-5)
    csls = 2 * cosine - r_image[:, None] - r_text
    np.testing.assert_allclose(found["csls"], csls.ravel(), atol=1e-5)


def test_class_posteriors_agree_more_within_a_class() -> None:
    scorer, (x, y) = fitted(), items(seed=3)
    agreement = sample(scorer, x).evidence["posterior_agreement"].reshape(200, 200)
    same = y[:, None] == y
    assert agreement[same].mean() > agreement[~same].mean() + 0.05
    assert agreement.min() >= 0
    assert agreement.max() <= 1 + 1e-6


def test_probabilities_of_unseen_items_add_up_to_their_matches() -> None:
    unseen = sample(fitted(), items(seed=4)[0])
    probability = fitted().probability(PAIR, unseen.evidence)
    assert abs(probability.sum() / unseen.truth.sum() - 1) < 0.2
    likely = probability > 0.5
    assert abs(probability[likely].mean() - unseen.truth[likely].mean()) < 0.15


def test_weights_speak_for_the_pairs_that_are_not_in_the_sample() -> None:
    scorer, all_of = fitted(), sample(fitted(), items(seed=4)[0])
    random = np.random.default_rng(0)
    keep = all_of.truth | (random.random(len(all_of.truth)) < 0.25)
    found = {name: values[keep] for name, values in all_of.evidence.items()}
    thinned = PairSample(found, all_of.truth[keep], np.where(all_of.truth[keep], 1.0, 4.0))
    x, y = items(seed=1)
    refitted = PairScorer(reference=150).fit_items(x, dict.fromkeys(PAIR, y)).fit_pairs({PAIR: thinned})
    full = PairScorer(reference=150).fit_items(x, dict.fromkeys(PAIR, y)).fit_pairs({PAIR: all_of})
    sums = [s.probability(PAIR, all_of.evidence).sum() for s in (refitted, full)]
    assert abs(sums[0] / sums[1] - 1) < 0.1
    assert scorer.threshold("text", "image") == scorer.threshold("image", "text")


def test_order_of_the_modalities_does_not_matter() -> None:
    x, _ = items(seed=5)
    forth = fitted().similarity("image", x["image"], "text", x["text"])
    back = fitted().similarity("text", x["text"], "image", x["image"])
    np.testing.assert_allclose(forth, back.T, atol=1e-4)


def test_similarity_ranks_as_the_probability_does(monkeypatch: pytest.MonkeyPatch) -> None:
    x, _ = items(seed=5)
    whole = fitted().similarity("image", x["image"], "text", x["text"])
    probability = fitted().probability(PAIR, sample(fitted(), x).evidence)
    np.testing.assert_allclose(1 / (1 + np.exp(-whole.ravel())), probability, atol=1e-5)
    monkeypatch.setattr(row_blocks, "_CACHED", 5000)
    np.testing.assert_allclose(fitted().similarity("image", x["image"], "text", x["text"]), whole, atol=1e-4)


def test_without_labels_the_rest_of_the_evidence_decides() -> None:
    x, _ = items(seed=1)
    scorer = PairScorer().fit_items(x)
    unseen = sample(scorer, items(seed=2)[0])
    assert "posterior_agreement" not in unseen.evidence
    probability = scorer.fit_pairs({PAIR: unseen}).probability(PAIR, unseen.evidence)
    assert probability[unseen.truth].mean() > 10 * probability[~unseen.truth].mean()


def test_saved_scorer_gives_the_same_probabilities(tmp_path) -> None:  # type: ignore[no-untyped-def]
    fitted().save(tmp_path)
    loaded = REGISTRY.load(tmp_path)
    unseen = sample(fitted(), items(seed=4)[0])
    np.testing.assert_array_equal(
        loaded.probability(PAIR, unseen.evidence), fitted().probability(PAIR, unseen.evidence)
    )
    assert loaded.threshold(*PAIR) == fitted().threshold(*PAIR)


def test_calibrated_probabilities_add_up_to_the_matches_and_rank_as_before() -> None:
    strong = items(seed=7, noise=0.5)[0]  # a better space than the scorer was fitted in
    x, y = items(seed=1)
    scorer = PairScorer(reference=150).take_pairs(fitted()).fit_items(x, dict.fromkeys(PAIR, y))
    unseen = sample(scorer, strong)
    before = scorer.probability(PAIR, unseen.evidence)
    assert abs(scorer.expected_matches({PAIR: unseen})["image-text"] - 1) > 0.1
    scorer.calibrate({PAIR: unseen})
    assert scorer.expected_matches({PAIR: unseen})["image-text"] == pytest.approx(1, abs=0.03)
    after = scorer.probability(PAIR, unseen.evidence)
    assert (np.diff(after[np.argsort(before)]) >= -1e-6).all()
    ranked = scorer.similarity("image", strong["image"], "text", strong["text"])
    np.testing.assert_allclose(sigmoid(ranked.ravel()), after, atol=1e-5)


def test_calibration_is_saved_and_taken_over(tmp_path) -> None:  # type: ignore[no-untyped-def]
    x, y = items(seed=1)
    scorer = PairScorer(reference=150).take_pairs(fitted()).fit_items(x, dict.fromkeys(PAIR, y))
    unseen = sample(scorer, items(seed=4, noise=0.5)[0])
    scorer.calibrate({PAIR: unseen}).save(tmp_path)
    probability = scorer.probability(PAIR, unseen.evidence)
    heir = PairScorer(reference=150).take_pairs(scorer)
    for other in (REGISTRY.load(tmp_path), heir):
        np.testing.assert_array_equal(other.probability(PAIR, unseen.evidence), probability)
    assert not fitted().calibration_


def test_another_scorer_can_take_over_the_pair_level() -> None:
    x, y = items(seed=1)
    other = PairScorer(reference=150).take_pairs(fitted()).fit_items(x, dict.fromkeys(PAIR, y))
    unseen = sample(other, items(seed=4)[0])
    np.testing.assert_array_equal(
        other.probability(PAIR, unseen.evidence), fitted().probability(PAIR, unseen.evidence)
    )


def test_joined_samples_keep_every_pair() -> None:
    one = sample(fitted(), {m: v[:4] for m, v in items(seed=4)[0].items()})
    both = join_samples([one, one])
    assert len(both.truth) == len(both.weight) == 32
    assert {len(values) for values in both.evidence.values()} == {32}


def test_pairs_of_modalities_that_were_not_trained_are_named() -> None:
    with pytest.raises(XmerError, match=r"not trained on pairs of text-text; it knows image-text"):
        fitted().probability(("text", "text"), {})


def test_a_sample_without_matches_is_refused() -> None:
    empty = PairSample({"cosine": np.zeros(3), "csls": np.zeros(3)}, np.zeros(3, bool), np.ones(3))
    with pytest.raises(XmerError, match="0 of 3 pairs match"):
        PairScorer().fit_pairs({PAIR: empty})


def test_nearest_reference_items_make_the_hubness_even_if_there_are_fewer_than_asked_for() -> None:
    x = items()[0]["image"]
    np.testing.assert_allclose(hubness(x, x[:3], 10), (x @ x[:3].T).mean(axis=1), atol=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20), st.booleans(), st.integers(1, 3)), min_size=1, max_size=30))
def test_no_other_threshold_gives_a_better_f1(pairs: list[tuple[int, bool, int]]) -> None:
    score, truth, weight = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    probability = score / 20

    def f1(threshold: float) -> float:
        called = probability >= threshold
        hits = (truth * weight)[called].sum()
        return float(2 * hits / max(weight[called].sum() + (truth * weight).sum(), 1e-9))

    best = best_threshold(probability, truth, weight)
    assert f1(best) >= max(f1(t) for t in probability) - 1e-9


def test_pair_names_have_one_order() -> None:
    assert pair_name("text", "image") == pair_name("image", "text")


def block(x: dict[str, np.ndarray], keys: np.ndarray) -> tuple[object, ...]:
    n = len(x["image"])
    i, j = all_pairs(n)
    codes = np.zeros((n, 1), dtype="<u8")
    arrays = [
        keys[:n], keys[n:], codes, codes, x["image"], x["text"],
        i.astype("<i4"), j.astype("<i4"), (i + j).astype("<i4"),
    ]  # fmt: skip
    return ("photos", "captions", *(bytearray(array.tobytes()) for array in arrays), len(i))


def few() -> dict[str, np.ndarray]:
    return {m: v[:40] for m, v in items(seed=6)[0].items()}


def test_spark_keeps_every_pair_from_the_threshold_on_with_its_evidence(
    spark: SparkSession,
) -> None:
    x = few()
    keys = np.random.default_rng(0).permutation(80).astype("<i8")
    blocks = spark.createDataFrame([block(x, keys)], schema.CANDIDATE_BLOCK)
    sources = {"photos": "image", "captions": "text"}
    scored = stage.score_blocks(blocks, saved_files(fitted()), sources, 0.05).collect()

    expected = sample(fitted(), x)
    probability = fitted().probability(PAIR, expected.evidence)
    i, j = all_pairs(40)
    wanted = {
        tuple(sorted((int(keys[a]), int(keys[40 + b])))): row
        for row, (a, b) in enumerate(zip(i, j, strict=True))
        if probability[row] >= 0.05
    }
    found = {(row.left_key, row.right_key): row for row in scored}
    assert set(found) == set(wanted)
    assert len(scored) == len(found)
    for pair, row in wanted.items():
        assert found[pair].probability == pytest.approx(probability[row], abs=1e-5)
        assert found[pair].evidence.cosine == pytest.approx(expected.evidence["cosine"][row], abs=1e-5)
        assert found[pair].evidence.hamming == i[row] + j[row]
        assert found[pair].evidence.attributes is None


def test_a_task_uses_the_scorer_and_the_memory_of_the_task_before_it() -> None:
    from pyspark import cloudpickle  # type: ignore[attr-defined]

    state = saved_files(fitted())
    run = stage.Score(SimpleNamespace(value=state), {"photos": "image", "captions": "text"}, 0.0)
    blocks = [batch_of(block(few(), np.arange(80, dtype="<i8")))]
    loaded = []
    for _ in range(2):
        list(cloudpickle.loads(cloudpickle.dumps(run))(blocks))
        loaded.append(loaded_once(state, stage._block_scorer))
    assert loaded[0] is loaded[1]


def batch_of(row: tuple[object, ...]) -> pa.RecordBatch:
    columns = [column.split() for column in schema.CANDIDATE_BLOCK.split(", ")]
    kinds = {"string": pa.string(), "binary": pa.binary(), "bigint": pa.int64()}
    arrays = [pa.array([value], kinds[kind]) for value, (_, kind) in zip(row, columns, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, names=[name for name, _ in columns])


def scored(scorer: stage.BlockScorer, x: dict[str, np.ndarray], keys: np.ndarray) -> pa.Table:
    found = stage.Block.of(batch_of(block(x, keys)), 0, {"photos": "image", "captions": "text"})
    return pa.Table.from_batches(scorer.score(found, 0.0))


def test_a_large_block_is_scored_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = np.arange(80, dtype="<i8")
    whole = scored(stage.BlockScorer(fitted()), few(), keys)
    monkeypatch.setattr(stage, "PAIRS_AT_A_TIME", 300)
    parts = scored(stage.BlockScorer(fitted()), few(), keys)
    assert [whole["left_key"].num_chunks, parts["left_key"].num_chunks] == [1, 6]
    assert parts.equals(whole)


def test_a_pair_has_the_same_probability_in_any_block() -> None:
    x = few()
    keys = np.arange(80, dtype="<i8")
    whole = scored(stage.BlockScorer(fitted()), x, keys)["probability"].to_numpy().reshape(40, 40)
    scorer = stage.BlockScorer(fitted())
    for size in (1, 3, 17, 40):  # the last ones meet items that are remembered
        part = scored(
            scorer, {m: v[-size:] for m, v in x.items()}, np.r_[keys[40 - size : 40], keys[80 - size :]]
        )
        np.testing.assert_allclose(
            part["probability"].to_numpy().reshape(size, size), whole[-size:, -size:], rtol=0, atol=1e-5
        )


def test_a_block_without_pairs_gives_none() -> None:
    empty = block({m: v[:0] for m, v in few().items()}, np.empty(0, dtype="<i8"))
    found = stage.Block.of(batch_of(empty), 0, {"photos": "image", "captions": "text"})
    assert list(stage.BlockScorer(fitted()).score(found, 0.0)) == []


def test_inner_products_depend_on_the_two_rows_alone() -> None:
    random = np.random.default_rng(0)
    x, y = random.standard_normal((2, 300, 128), dtype=np.float32)
    i, j = random.integers(300, size=(2, 5000))
    whole = inner_products(x, y, i, j)
    np.testing.assert_allclose(whole, np.einsum("ij,ij->i", x[i], y[j]), rtol=1e-4, atol=1e-4)
    for part in (slice(3, 4), slice(17, 1000), slice(1001, None)):
        np.testing.assert_array_equal(inner_products(x, y, i[part], j[part]), whole[part])


def test_log_odds_are_what_the_design_matrix_says() -> None:
    scorer, found = fitted(), sample(fitted(), items(seed=4)[0]).evidence
    expected = scorer._design("image-text", found) @ scorer.coefficients_["image-text"]
    np.testing.assert_allclose(scorer.log_odds(PAIR, found), expected, rtol=1e-9, atol=1e-9)


def test_what_is_known_of_an_item_is_the_same_to_the_last_bit_whatever_it_comes_with() -> None:
    random = np.random.default_rng(5)
    x = random.standard_normal((700, 130)).astype(np.float32)
    matrix = random.standard_normal((900, 130)).astype(np.float32).T
    whole = in_blocks(lambda block: block @ matrix, x)
    for rows in ([3], [699, 3], list(range(100, 400))):
        np.testing.assert_array_equal(in_blocks(lambda block: block @ matrix, x[rows]), whole[rows])


def test_a_pair_beyond_all_that_were_learnt_from_is_as_probable_as_the_most_extreme_of_them() -> None:
    x, _ = items()
    scorer = PairScorer(reference=100).fit_items(x, {m: np.full(len(v), -1) for m, v in x.items()})
    everything = sample(scorer, x)
    near = everything.evidence["cosine"] > np.quantile(everything.evidence["cosine"], 0.9)
    chosen = {name: values[near] for name, values in everything.evidence.items()}
    scorer.fit_pairs({PAIR: PairSample(chosen, everything.truth[near], everything.weight[near])})
    far = {name: np.array([values.min(), values.min() - 5]) for name, values in chosen.items()}
    at_the_edge, beyond = scorer.probability(PAIR, far)
    assert at_the_edge == beyond
    found = scorer.probability(PAIR, everything.evidence)
    assert found[~near & ~everything.truth].mean() < 0.05 < found[near & everything.truth].mean()
