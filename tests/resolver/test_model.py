"""A resolver is loaded as it was saved; what is no resolver, or one of another format, is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.resolver.small import PICTURES, TEXTS, Small
from xmer_spark.blocking.records.base import Records as Table
from xmer_spark.blocking.records.joint import all_pairs
from xmer_spark.comparisons.comparer import Comparer
from xmer_spark.errors import XmerError
from xmer_spark.numerics import rows as row_blocks
from xmer_spark.numerics.logistic import sigmoid
from xmer_spark.numerics.records import Records
from xmer_spark.resolver.model import Resolver, load_extractors
from xmer_spark.scoring.scorer import PairScorer


@pytest.fixture
def folder(fitted: Small, tmp_path: Path) -> Path:
    return fitted.save(tmp_path / "resolver")


@pytest.mark.parametrize(("modality", "contents"), [("image", PICTURES), ("text", TEXTS)])
def test_a_loaded_resolver_embeds_raw_items_to_the_last_bit_as_before(
    fitted: Small, folder: Path, modality: str, contents: list[object]
) -> None:
    loaded, extractors = Resolver.load(folder), load_extractors(folder)
    assert loaded.extractors == {m: [e.identity()] for m, e in fitted.extractors.items()}
    vectors = extractors[modality][0].extract(contents)
    assert loaded.encoder is not None
    assert np.array_equal(loaded.encoder.embed(modality, vectors), fitted.embeddings(modality, contents))


def test_a_loaded_resolver_blocks_and_scores_to_the_last_bit_as_before(fitted: Small, folder: Path) -> None:
    loaded, sides = Resolver.load(folder), (fitted.drawn(), fitted.told())
    assert np.array_equal(loaded.similarity(*sides), fitted.resolver.similarity(*sides))
    assert loaded.plans == fitted.resolver.plans
    tables = [Table(side.keys, side.table()) for side in sides]
    pairs = [all_pairs(each.blockers["drawn", "told"], *tables) for each in (loaded, fitted.resolver)]
    assert len(pairs[0].left) >= 10 * len(TEXTS)
    for one, other in zip(*pairs, strict=True):
        assert np.array_equal(one, other)


def test_similarity_ranks_as_the_probability_does_in_blocks_of_any_size(
    fitted: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolver, sides = fitted.resolver, (fitted.drawn(), fitted.told())
    whole = resolver.similarity(*sides)
    n = len(TEXTS)
    assert whole.shape == (n, n)
    assert whole.dtype == np.float32
    evidence = resolver.comparer.evidence(
        *map(resolver.comparer.prepare, sides), *np.divmod(np.arange(n * n), n)
    )
    np.testing.assert_allclose(sigmoid(whole.ravel()), resolver.scorer.probability(evidence), atol=1e-6)
    monkeypatch.setattr(row_blocks, "_CACHED", 1000)
    np.testing.assert_allclose(resolver.similarity(*sides), whole, atol=1e-5)
    rows = np.array([7, 3])
    assert np.array_equal(resolver.similarities(*sides)(rows), whole[rows])


def test_it_does_not_matter_which_source_comes_first(fitted: Small) -> None:
    forth = fitted.resolver.similarity(fitted.drawn(), fitted.told())
    back = fitted.resolver.similarity(fitted.told(), fitted.drawn())
    np.testing.assert_allclose(forth, back.T, atol=1e-4)


def test_kinds_of_records_that_it_cannot_score_are_infinitely_unlike(fitted: Small) -> None:
    assert np.isneginf(fitted.resolver.similarity(fitted.drawn(), fitted.drawn())).all()


def test_a_resolver_of_rows_encodes_nothing_and_is_loaded_all_the_same(tmp_path: Path) -> None:
    titles = np.array([f"title number {n}" for n in range(30)], object)
    records = Records("shop", np.arange(30), {"title": titles})
    comparer = Comparer({"title": "name"}, {}).fit([records])
    sides = comparer.prepare(records), comparer.prepare(records)
    i, j = np.divmod(np.arange(900), 30)
    scorer = PairScorer("fellegi_sunter").fit(comparer.evidence(*sides, i, j), comparer.names)
    resolver = Resolver(None, comparer, scorer, {}, {})
    loaded = Resolver.load(resolver.save(tmp_path))
    assert loaded.encoder is None
    assert loaded.extractors == load_extractors(tmp_path) == {}
    assert np.array_equal(loaded.similarity(records, records), resolver.similarity(records, records))


def test_a_folder_that_holds_no_resolver_is_named(tmp_path: Path) -> None:
    with pytest.raises(XmerError, match="holds no resolver"):
        Resolver.load(tmp_path)


def test_a_resolver_of_another_format_is_to_be_trained_again(folder: Path) -> None:
    file = folder / "resolver.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"format": 1}))
    with pytest.raises(XmerError, match=r"format 1 is not .*; train the model again"):
        Resolver.load(folder)
