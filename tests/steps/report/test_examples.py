"""Entities and pairs as they are shown, from rows by hand."""

from __future__ import annotations

from typing import Any

import pytest

from xmer_spark.steps.report import examples

ENTITY = {"entity_id": "E", "title": "Cat", "label": "pet", "cohesion": 0.9, "lowest_link": 0.4}


def item(name: str, entity_id: str, truth: str | None, confidence: float = 0.5) -> dict[str, Any]:
    return {
        "item_id": name, "source": "s", "modality": "text", "text": name, "image": None, "attributes": None,
        "entity": truth, "entity_id": entity_id, "confidence": confidence,
    }  # fmt: skip


def truths(*items: dict[str, Any]) -> dict[str, str | None]:
    return {shown.item_id: shown.truth for shown in examples.entity(ENTITY, items).items}


def test_an_entity_is_what_most_of_its_items_are_and_lacks_what_went_elsewhere() -> None:
    found = truths(item("a", "E", "cat"), item("b", "E", "cat"), item("c", "E", "dog"), item("d", "F", "cat"))
    assert found == {"a": "right", "b": "right", "c": "wrong", "d": "missing"}


def test_of_two_truths_equally_frequent_the_first_in_the_alphabet_is_taken() -> None:
    assert truths(item("a", "E", "dog"), item("b", "E", "cat")) == {"a": "wrong", "b": "right"}


def test_an_item_of_unknown_truth_is_wrong_among_known_ones_and_unmarked_by_itself() -> None:
    assert truths(item("a", "E", "cat"), item("b", "E", None)) == {"a": "right", "b": "wrong"}
    assert truths(item("a", "E", None), item("b", "F", None)) == {"a": None}


def test_items_of_other_entities_and_other_truths_are_not_shown() -> None:
    assert truths(item("a", "E", "cat"), item("z", "F", "dog")) == {"a": "right"}


def test_an_entity_keeps_its_facts_and_only_resolved_items_have_a_probability() -> None:
    shown = examples.entity(ENTITY, [item("a", "E", "cat", 0.25), item("d", "F", "cat", 0.75)])
    assert (shown.entity_id, shown.title, shown.label) == ("E", "Cat", "pet")
    assert (shown.cohesion, shown.lowest_link) == (0.9, 0.4)
    assert [each.probability for each in shown.items] == [0.25, None]


def test_a_match_shows_its_items_and_its_evidence_without_attributes() -> None:
    items = {name: item(name, "E", "cat") for name in ("a", "b")}
    evidence = {"cosine": 0.5, "csls": None, "attributes": {"price": 1.0}}
    row = {"left_id": "a", "right_id": "b", "probability": 0.125, "evidence": evidence}
    shown = examples.scored_pair(row, items)
    assert (shown.left.item_id, shown.right.item_id, shown.probability) == ("a", "b", 0.125)
    assert shown.evidence == {"cosine": 0.5, "csls": None}


def test_a_pair_that_was_not_kept_has_no_probability_and_says_why() -> None:
    items = {1: item("a", "E", "cat"), 2: item("b", "F", "cat")}
    (shown,) = examples.unscored_pairs([(1, 2)], items)
    assert (shown.left.item_id, shown.right.item_id, shown.probability) == ("a", "b", None)
    assert shown.note == examples.NEVER_KEPT


@pytest.mark.parametrize("attributes", [None, {"weight": "4 kg", "colour": None}])
def test_an_item_keeps_its_attributes(attributes: dict[str, str | None] | None) -> None:
    assert examples.shown({**item("a", "E", None), "attributes": attributes}).attributes == (attributes or {})
