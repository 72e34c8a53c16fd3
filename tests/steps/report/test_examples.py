"""Entities and pairs as they are shown, from rows by hand."""

from __future__ import annotations

from typing import Any

from xmer_spark.steps.report import examples

ENTITY = {"entity_id": "E", "title": "Cat", "label": "pet", "cohesion": 0.9, "lowest_link": 0.4}


def record(
    name: str,
    entity_id: str = "E",
    truth: str | None = None,
    confidence: float = 0.5,
    contents: list[dict[str, Any]] | None = None,
    fields: dict[str, str] | None = None,
) -> dict[str, Any]:
    return {
        "record_id": name, "source": "s", "fields": fields or {}, "contents": contents, "entity": truth,
        "entity_id": entity_id, "confidence": confidence,
    }  # fmt: skip


def truths(*records: dict[str, Any]) -> dict[str, str | None]:
    return {shown.record_id: shown.truth for shown in examples.entity(ENTITY, records).records}


def test_an_entity_is_what_most_of_its_records_are_and_lacks_what_went_elsewhere() -> None:
    found = truths(
        record("a", "E", "cat"), record("b", "E", "cat"), record("c", "E", "dog"), record("d", "F", "cat")
    )
    assert found == {"a": "right", "b": "right", "c": "wrong", "d": "missing"}


def test_of_two_truths_equally_frequent_the_first_in_the_alphabet_is_taken() -> None:
    assert truths(record("a", "E", "dog"), record("b", "E", "cat")) == {"a": "wrong", "b": "right"}


def test_a_record_of_unknown_truth_is_wrong_among_known_ones_and_unmarked_by_itself() -> None:
    assert truths(record("a", "E", "cat"), record("b", "E", None)) == {"a": "right", "b": "wrong"}
    assert truths(record("a", "E", None), record("b", "F", None)) == {"a": None}


def test_records_of_other_entities_and_other_truths_are_not_shown() -> None:
    assert truths(record("a", "E", "cat"), record("z", "F", "dog")) == {"a": "right"}


def test_an_entity_keeps_its_facts_and_only_resolved_records_have_a_probability() -> None:
    shown = examples.entity(ENTITY, [record("a", "E", "cat", 0.25), record("d", "F", "cat", 0.75)])
    assert (shown.entity_id, shown.title, shown.label) == ("E", "Cat", "pet")
    assert (shown.cohesion, shown.lowest_link) == (0.9, 0.4)
    assert [each.probability for each in shown.records] == [0.25, None]


def test_a_record_shows_its_contents_and_its_fields_by_name_together() -> None:
    contents = [
        {"field": "photo", "modality": "image", "text": None, "image": b"png"},
        {"field": "title", "modality": "text", "text": "A cat", "image": None},
    ]
    shown = examples.shown(record("a", contents=contents, fields={"price": "4", "made": "1999"}))
    assert [(c.field, c.text, c.image) for c in shown.contents] == [
        ("photo", None, b"png"),
        ("title", "A cat", None),
    ]
    assert list(shown.fields.items()) == [("made", "1999"), ("price", "4")]
    assert shown.kind == "image+text"
    assert not shown.is_picture


def test_a_row_has_no_contents_and_a_photograph_alone_is_a_picture() -> None:
    assert examples.shown(record("a", fields={"price": "4"})).kind == "row"
    photograph = [{"field": "image", "modality": "image", "text": None, "image": b"png"}]
    assert examples.shown(record("a", contents=photograph)).is_picture


def test_a_match_shows_its_records_both_probabilities_and_its_evidence() -> None:
    records = {1: record("a"), 2: record("b")}
    evidence = {"title~title/equal": 0.5, "photo~title/cosine": 0.25}
    row = {"left_key": 1, "right_key": 2, "probability": 0.125, "decided": 0.75, "evidence": evidence}
    shown = examples.scored_pair(row, records)
    assert (shown.left.record_id, shown.right.record_id) == ("a", "b")
    assert (shown.decided, shown.probability) == (0.75, 0.125)
    assert list(shown.evidence) == ["photo~title/cosine", "title~title/equal"]


def test_a_pair_that_was_not_kept_has_no_probability_and_says_why() -> None:
    (shown,) = examples.unscored_pairs([(1, 2)], {1: record("a"), 2: record("b", "F")})
    assert (shown.left.record_id, shown.right.record_id, shown.decided) == ("a", "b", None)
    assert shown.note == examples.NEVER_KEPT
