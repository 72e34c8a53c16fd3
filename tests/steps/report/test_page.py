"""The report of a warehouse that was resolved: its entities and mistakes, and the page itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.steps import things
from xmer_spark.cli import main
from xmer_spark.steps.report import page, tables
from xmer_spark.store.runs import Context, Job

READS = ["records", "items", "rejects", "metrics", "members", "entities", "matches"]


@pytest.fixture
def job(resolved_things: Context) -> Job:
    return Job.plan(resolved_things, "look", READS, {}, {})


def test_entities_are_shown_with_all_that_their_records_hold(job: Job) -> None:
    gallery = tables.gallery(job, measured=True)
    assert gallery.total == len(gallery.entities) == things.THINGS - things.TRAINED
    shown = {entity.entity_id: entity for entity in gallery.entities}
    assert {entity: shown[entity].verdict for entity in ("e-4", "e-5", "e-6", "e-7")} == {
        "e-4": "wrong", "e-5": "incomplete", "e-6": "incomplete", "e-7": "right",
    }  # fmt: skip
    records = {record.record_id: record for record in shown["e-7"].records}
    assert {name: record.kind for name, record in records.items()} == {
        f"{source}/7": kind for source, kind in things.SOURCES.items()
    }
    assert [content.field for content in records["shop/7"].contents] == ["photo", "title"]
    assert records["shop/7"].contents[1].text == things.NAMES[7]
    assert records["rows/7"].fields == things.fields("rows", 7)


def test_where_no_truth_was_measured_any_entity_of_several_records_is_shown(job: Job) -> None:
    assert tables.gallery(job, measured=False).total == things.THINGS


def test_mistakes_come_with_their_records_and_what_was_decided(job: Job) -> None:
    wrong = tables.false_pairs(job)
    assert {frozenset((p.left.record_id, p.right.record_id)) for p in wrong} == {
        frozenset(("photos/5", f"{source}/4")) for source in ("photos", "names", "rows")
    }
    assert all(pair.decided == pytest.approx(0.95) for pair in wrong)
    missed = tables.missed_pairs(job)
    assert {missed[0].left.record_id, missed[0].right.record_id} == {"names/6", "rows/6"}
    never = [pair for pair in missed if pair.decided is None]
    assert {pair.left.record_id.split("/")[1] for pair in never} == {"5", "6"}


def test_what_was_refused_names_the_field(job: Job) -> None:
    (reject,) = tables.rejects(job)
    assert reject.examples == [("rows/77#price", "no number")]


def test_the_page_shows_records_of_every_kind(job: Job, tmp_path: Path) -> None:
    page.write(job, tmp_path / "report.html")
    shown = (tmp_path / "report.html").read_text("utf-8")
    for part in ("oak table", '<th scope="row">brand</th><td>Oak</td>', "image with text", "By kind"):
        assert part in shown
    assert "photo and title" in shown


def test_the_command_shows_an_entitys_records_links_and_history(resolved_things: Context) -> None:
    config = Path(resolved_things.config.warehouse.path).parent / "things.toml"
    done = CliRunner().invoke(main, ["show", "e-7", "--config", str(config)])
    assert done.exit_code == 0, done.output
    for part in ("rows/7", "brand: Wool", "wool quilt", "image, text", "by_itself", "created"):
        assert part in done.output
    assert "photo and title: nearness in the common space 0.50" in done.output
