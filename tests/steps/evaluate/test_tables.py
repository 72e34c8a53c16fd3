"""What evaluate reads of a warehouse: who is held out, what was made of them, and what was scored."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tests.steps import things
from xmer_spark.config import Evaluation
from xmer_spark.evaluation.ranking import Similarity
from xmer_spark.numerics.records import EMBEDDING, Records
from xmer_spark.steps.evaluate import tables
from xmer_spark.steps.evaluate.intervals import Intervals
from xmer_spark.steps.evaluate.ranking import Question, between_fields, fields_of
from xmer_spark.store.runs import Context, Job

READS = ["records", "items", "embeddings", "members", "matches", "metrics"]
HELD_OUT = [each for each in things.ALL if each[1] >= things.TRAINED]


@pytest.fixture
def job(resolved_things: Context) -> Job:
    return Job.plan(resolved_things, "look", READS, {}, {})


def test_the_held_out_records_are_those_of_the_test_split_by_rising_key(job: Job) -> None:
    known = tables.held_out(job)
    assert known.key.tolist() == sorted(things.key_of(*each) for each in HELD_OUT)
    assert Counter(known.source) == Counter(source for source, _ in HELD_OUT)
    assert {(source, kind) for source, kind in zip(known.source, known.kind, strict=True)} == set(
        things.SOURCES.items()
    )


def test_of_too_many_those_of_the_same_entities_are_taken_and_the_rest_is_told(
    resolved_things: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = resolved_things.config.model_copy(update={"evaluation": Evaluation(max_records=8)})
    monkeypatch.setattr(resolved_things, "config", few)
    job = Job.plan(resolved_things, "look", READS, {}, {})
    known = tables.held_out(job)
    tables.count(job, known)
    assert len(known.key) == 8
    assert len(set(known.entity)) <= 3
    assert job.counts == {"held_out_records": 8, "left_out_of_evaluation": len(HELD_OUT) - 8}


def test_records_by_source_have_what_they_are_compared_by(job: Job) -> None:
    known = tables.held_out(job)
    found = tables.records(job, known)
    assert {name: len(those) for name, those in found.items()} == {
        "photos": 8, "names": 8, "rows": 8, "shop": 4,
    }  # fmt: skip
    assert {name: fields_of(those) for name, those in found.items()} == {
        "photos": ["image"], "names": ["text"], "rows": [], "shop": ["photo", "title"],
    }  # fmt: skip
    rows = found["rows"]
    assert rows.columns["brand"].tolist() == [brand_of(entity) for entity in known.of(rows.keys).entity]


def brand_of(entity: str) -> str:
    return things.fields("rows", int(entity.removeprefix("thing ")))["brand"]


def inner_products(left: Records, right: Records) -> Similarity:
    """How alike records of one field each are in the space."""
    (a,), (b,) = fields_of(left), fields_of(right)
    return lambda rows: left.columns[a + EMBEDDING][rows] @ right.columns[b + EMBEDDING].T


def test_fields_of_a_source_find_each_other_in_the_space(job: Job) -> None:
    known = tables.held_out(job)
    question = Question("entity", [1], 100, Intervals(20, 0.95, 0))
    records = tables.records(job, known)
    found = {m.name: m.value for m in between_fields(known, records, inner_products, question)}
    assert found["recall_at_1/shop#photo/shop#title"] == found["map/shop#title/shop#photo"] == 1.0


def test_what_was_resolved_has_the_held_out_and_what_shares_their_entities(job: Job) -> None:
    found = tables.resolved(job, tables.held_out(job))
    assert len(found.cluster) == len(HELD_OUT)
    assert found.held_out.all()
    assert "e-6-name" in set(found.cluster)
    one = tables.held_out(job).where(np.array([0]))
    together = tables.resolved(job, one)
    assert together.held_out.sum() == 1
    assert len(set(together.cluster)) == 1
    assert len(together.cluster) > 1


def test_scored_pairs_have_both_probabilities_the_kinds_and_the_truth(job: Job) -> None:
    scored = tables.scored(job, tables.held_out(job))
    held_out = [m for m in things.matches() if int(m["left_id"].split("/")[1]) >= things.TRAINED]
    assert len(scored.true) == len(held_out)
    assert np.allclose(scored.decided - scored.probability, 0.2)
    # The photograph of thing 5 is with the photograph, the name and the row of thing 4.
    assert (~scored.true).sum() == 3
    wrong = set(zip(scored.left[~scored.true], scored.right[~scored.true], strict=True))
    assert {tuple(sorted(kinds)) for kinds in wrong} == {
        ("image", "image"),
        ("image", "text"),
        ("image", "row"),
    }


def test_a_true_pair_of_which_one_record_is_not_held_out_is_left_out(job: Job) -> None:
    one = tables.held_out(job).where(np.array([0]))
    assert not tables.scored(job, one).true.any()


def test_sources_have_their_sizes(job: Job) -> None:
    assert tables.sizes(job) == {"photos": 12, "names": 12, "rows": 12, "shop": 6}


def test_what_is_measured_names_pairs_of_kinds_and_what_entities_hold(job: Job) -> None:
    found = {row["name"]: row["value"] for row in job.read("metrics").collect()}
    assert found["held_out_records"] == len(HELD_OUT)
    assert found["pair_recall/row-text"] == pytest.approx(7 / 8)
    assert found["pair_recall/image+text-row"] == 1.0
    assert {"bcubed_f1_holding/image-row-text", "bcubed_f1_holding/image-image+text-row-text"} <= set(found)
    assert {"calibration_error/image-row", "calibration_error_by_itself/image-row"} <= set(found)
