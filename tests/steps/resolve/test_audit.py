"""Every kind of broken publication is found, and named by the record or the entity that is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.frames import Record, records_of, table_of
from xmer_spark.entities.stage import problems
from xmer_spark.errors import AuditError
from xmer_spark.schema import ENTITIES, MEMBERS
from xmer_spark.steps.resolve.publish import audit

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Rows = list[dict[str, Any]]
RECORDS: list[Record] = [(key, "photos", None, None, {}) for key in (1, 2, 3)]


def member(key: int, entity: str) -> dict[str, Any]:
    return {"record_id": f"photos/{key}", "entity_id": entity}


def entity(name: str, size: int) -> dict[str, Any]:
    return {"entity_id": name, "size": size}


SOUND_MEMBERS = [member(1, "a"), member(2, "a"), member(3, "b")]
SOUND_ENTITIES = [entity("a", 2), entity("b", 1)]


def found(spark: SparkSession, members: Rows, entities: Rows) -> dict[str, list[str]]:
    """The culprits by problem, where there are any."""
    rows = problems(
        records_of(spark, RECORDS), table_of(spark, MEMBERS, members), table_of(spark, ENTITIES, entities)
    ).collect()
    return {
        problem: sorted(row["culprit"] for row in rows if row["problem"] == problem)
        for problem in {row["problem"] for row in rows}
    }


def audited(spark: SparkSession, members: Rows, entities: Rows) -> None:
    audit(records_of(spark, RECORDS), table_of(spark, MEMBERS, members), table_of(spark, ENTITIES, entities))


def test_a_sound_publication_has_no_problem(spark: SparkSession) -> None:
    assert found(spark, SOUND_MEMBERS, SOUND_ENTITIES) == {}
    audited(spark, SOUND_MEMBERS, SOUND_ENTITIES)


@pytest.mark.parametrize(
    ("members", "entities", "expected"),
    [
        (
            [member(1, "a"), member(3, "b")],
            [entity("a", 1), entity("b", 1)],
            {"records without an entity": ["photos/2"]},
        ),
        (
            [*SOUND_MEMBERS, member(9, "b")],
            [entity("a", 2), entity("b", 2)],
            {"members that are no records": ["photos/9"]},
        ),
        (
            [*SOUND_MEMBERS, member(2, "b")],
            [entity("a", 2), entity("b", 2)],
            {"records in several entities": ["photos/2"]},
        ),
        (
            [member(1, "a"), member(2, "a"), member(3, "c")],
            [entity("a", 2)],
            {"members of unknown entities": ["c"]},
        ),
        (
            SOUND_MEMBERS,
            [*SOUND_ENTITIES, entity("b", 1)],
            {"entities that are there twice": ["b"]},
        ),
        (
            SOUND_MEMBERS,
            [entity("a", 3), entity("b", 1)],
            {"entities whose size is wrong": ["a"]},
        ),
        (
            SOUND_MEMBERS,
            [*SOUND_ENTITIES, entity("nobody", 1)],
            {"entities whose size is wrong": ["nobody"]},
        ),
    ],
    ids=lambda value: next(iter(value)).replace(" ", "_") if isinstance(value, dict) else "",
)
def test_each_kind_of_broken_publication_is_found_and_refused(
    spark: SparkSession, members: Rows, entities: Rows, expected: dict[str, list[str]]
) -> None:
    assert found(spark, members, entities) == expected
    problem, culprits = next(iter(expected.items()))
    with pytest.raises(AuditError, match=f"{problem}, such as {culprits[0]}; nothing was published"):
        audited(spark, members, entities)
