"""Data that grows, is renamed or comes from more sources: whatever is new is embedded and compared.

Two sources of texts that tell the same things in other words are resolved once; each test goes on from a copy
of that warehouse and of its registry.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from tests.pictures import png
from tests.slices import PLACES, TO_ENTITIES, run_all
from xmer_spark.config import load_config
from xmer_spark.errors import AuditError
from xmer_spark.store.published import Published
from xmer_spark.store.runs import Context

WORDS = [
    "amber", "basalt", "cedar", "denim", "ember", "flint", "garnet", "hazel", "indigo", "jasper", "khaki",
    "lilac", "maple", "nickel", "ochre", "pewter", "quartz", "russet", "sable", "topaz", "umber", "velvet",
    "walnut", "yarrow", "zinc", "kettle", "lantern", "mirror", "needle", "oven", "pillow", "quilt", "rack",
    "shelf", "table", "urn", "vase", "whisk", "basket", "candle",
]  # fmt: skip


def words(thing: int, count: int = 5) -> list[str]:
    return list(np.random.default_rng(thing).choice(WORDS, count, replace=False))


def plain(thing: int) -> str:
    return " ".join(words(thing))


def reworded(thing: int) -> str:
    """The same things as ``plain``, in another order, one word less and a number more."""
    told = words(thing)[:0:-1]
    return f"{' '.join(told)} no {thing % 7}"


@dataclass
class Project:
    """A folder with csv sources, a configuration, a warehouse and a registry of its own."""

    folder: Path

    def write(self, name: str, texts: Mapping[int, str], *, known: bool = True) -> None:
        table = {"key": list(texts), "text": list(texts.values())}
        table["thing"] = [f"thing {thing}" if known else "" for thing in texts]
        pa.csv.write_csv(pa.table(table), self.folder / f"{name}.csv")

    def write_pictures(self, name: str, things: Sequence[int], *, known: bool = True) -> None:
        """Pictures whose colours follow from the thing's words, so that a space can learn them."""
        rows = {"key": [str(thing) for thing in things], "image": [picture(thing) for thing in things]}
        rows["thing"] = [f"thing {thing}" if known else None for thing in things]
        schema = pa.schema([("key", pa.string()), ("image", pa.binary()), ("thing", pa.string())])
        pq.write_table(pa.table(rows, schema=schema), self.folder / f"{name}.parquet")

    def run(self, *sources: str, jobs: Sequence[str] = TO_ENTITIES, warehouse: str = "warehouse") -> Context:
        """Resolve these sources: texts, or pictures where a Parquet file has the name."""
        file = self.folder / "project.toml"
        file.write_text(
            HEAD + PLACES.format(folder=self.folder) + "".join(self._source(name) for name in sources)
        )
        return run_all(load_config(file, [f"warehouse.path={self.folder / warehouse}"]), jobs)

    def _source(self, name: str) -> str:
        pictures = (self.folder / f"{name}.parquet").exists()
        kind, modality = ("parquet", "image") if pictures else ("csv", "text")
        return SOURCE.format(name=name, folder=self.folder, kind=kind, modality=modality)

    def query(self, sql: str, warehouse: str = "warehouse") -> list[dict[str, object]]:
        return Published(str(self.folder / warehouse)).query(sql).to_pylist()

    def embedded(self, condition: str = "true") -> tuple[int, int]:
        """How many published items there are, and how many of them have an embedding."""
        row = self.query(
            "SELECT count(*) AS items, count(e.item_id) AS embedded FROM items i "
            f"LEFT JOIN embeddings e USING (item_id) WHERE {condition}"
        )[0]
        return int(str(row["items"])), int(str(row["embedded"]))

    def found(self, condition: str) -> float:
        """The share of the true pairs across sources, where this holds, that are in one entity."""
        row = self.query(
            "WITH r AS (SELECT records.*, entity_id FROM records JOIN members USING (record_id)) "
            "SELECT avg((a.entity_id = b.entity_id)::INT) AS share FROM r a JOIN r b ON a.entity = b.entity "
            f"AND a.source < b.source WHERE {condition}"
        )[0]
        return float(str(row["share"]))


HEAD = """
name = "growth"
[extract]
image = ["colour"]
text = ["tfidf"]
[extract.parameters.tfidf]
dimensions = 64
[hashing]
bits = 64
[train]
folds = 2
[evaluation]
bootstrap = 20
"""
SOURCE = """
[[source]]
name = "{name}"
kind = "{kind}"
path = "{folder}/{name}.{kind}"
key = "key"
entity = "thing"
one_per_entity = true
fields = {{{modality} = {{type = "{modality}"}}}}
"""


def picture(thing: int) -> bytes:
    """A PNG of stripes, a colour per word of the thing."""
    random = [np.random.default_rng(1000 + WORDS.index(word)).integers(0, 255, 3) for word in words(thing)]
    return png(np.repeat(np.repeat(np.array(random)[:, None], 40, axis=1), 8, axis=0))


@pytest.fixture(scope="module")
def resolved(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Two sources of 150 texts each, the extractors of pictures left at their default, resolved once."""
    project = Project(tmp_path_factory.mktemp("growth"))
    project.write("first", {thing: plain(thing) for thing in range(150)})
    project.write("second", {thing: reworded(thing) for thing in range(150)})
    project.run("first", "second")
    return project


def copy_of(project: Project, folder: Path) -> Project:
    """A copy to go on from; models lie where they were registered, which nothing here writes to twice."""
    shutil.copytree(project.folder, folder / "copy", ignore=shutil.ignore_patterns("mlartifacts"))
    return Project(folder / "copy")


@pytest.fixture
def project(resolved: Project, tmp_path: Path) -> Project:
    return copy_of(resolved, tmp_path)


@pytest.fixture(scope="module")
def grown(resolved: Project, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Context]:
    """Half as many items again in both sources, resolved after them."""
    project = copy_of(resolved, tmp_path_factory.mktemp("grown"))
    project.write("first", {thing: plain(thing) for thing in range(225)})
    project.write("second", {thing: reworded(thing) for thing in range(225)})
    return project, project.run("first", "second")


def test_one_modality_alone_is_resolved_with_the_other_extractors_at_their_default(resolved: Project) -> None:
    assert resolved.embedded() == (300, 300)
    assert resolved.found("a.split = 'test'") > 0.5


def test_records_that_come_later_are_embedded_and_compared_whatever_becomes_of_the_new_model(
    grown: tuple[Project, Context],
) -> None:
    project, _ = grown
    assert project.embedded() == (450, 450)
    assert project.found("a.split = 'test' AND a.record_id > 'first/150'") > 0.5


def test_champion_and_challenger_are_judged_on_the_same_records(grown: tuple[Project, Context]) -> None:
    project, context = grown
    scores = {
        row["name"]: row["value"]
        for row in project.query("SELECT name, value FROM metrics WHERE job = 'train'")
    }
    promoted = context.last_run("train").facts["champion"]
    assert promoted == (scores["judged_score/challenger"] >= scores["judged_score/champion"])


def test_a_renamed_and_an_added_source_and_an_added_modality_are_embedded_and_compared(
    project: Project,
) -> None:
    (project.folder / "second.csv").rename(project.folder / "renamed.csv")
    project.write("third", {thing: plain(thing).upper() for thing in range(150)})
    project.write_pictures("pictures", range(150))
    project.run("first", "renamed", "third", "pictures")
    assert project.embedded() == (600, 600)
    assert project.embedded("i.modality = 'image'") == (150, 150)
    assert project.found("a.split = 'test' AND a.source = 'first' AND b.source = 'renamed'") > 0.5
    assert project.found("a.split = 'test' AND a.source = 'first' AND b.source = 'third'") > 0.5


def test_a_modality_that_nothing_was_learnt_of_stops_the_run_with_a_sentence(project: Project) -> None:
    before = Context(load_config(project.folder / "project.toml")).last_run("resolve").run_id
    project.write_pictures("pictures", range(150), known=False)
    with pytest.raises(AuditError, match="150 of 150 of source pictures"):
        project.run("first", "second", "pictures")
    after = Context(load_config(project.folder / "project.toml"))
    assert after.last_run("resolve").run_id == before


def test_running_again_with_nothing_changed_writes_nothing(project: Project) -> None:
    names = ("records", "items", "features", "embeddings", "matches", "members", "entities", "runs")
    context = Context(load_config(project.folder / "project.toml"))
    before = {name: context.warehouse.version(name) for name in names}
    project.run("first", "second")
    assert {name: context.warehouse.version(name) for name in names} == before


def test_any_batches_of_changes_end_in_what_one_full_run_makes_of_the_same_records(project: Project) -> None:
    """New, corrected and removed texts in two steps, of which the second takes part of the first back."""
    first = {thing: plain(thing) for thing in range(150)}
    second = {thing: reworded(thing) for thing in range(150)}
    known = {row["record_id"] for row in project.query("SELECT record_id FROM records")}
    project.write("first", {t: text for t, text in first.items() if t not in (3, 77)} | {160: plain(160)})
    project.write("second", second | {160: reworded(160), 5: "nothing of the kind", 9: reworded(11)})
    context = project.run("first", "second", jobs=WITHOUT_TRAINING)
    assert changed(context) == (4, 4)
    project.write("first", first | {161: plain(161)})
    project.write(
        "second",
        {t: text for t, text in second.items() if t != 20} | {5: "something else", 161: "nobody knows"},
    )
    context = project.run("first", "second", jobs=WITHOUT_TRAINING)
    assert changed(context) == (6, 5)
    project.run("first", "second", jobs=WITHOUT_TRAINING, warehouse="anew")
    for question in SAME_IN_ANY_WAY:
        assert project.query(question) == project.query(question, "anew"), question
    moved = project.query("SELECT record_id FROM members WHERE first_run <> last_run")
    assert len(moved) < len(known) / 10


WITHOUT_TRAINING = ("ingest", "extract", "resolve")
SAME_IN_ANY_WAY = (
    "SELECT item_key, code, embedding FROM embeddings ORDER BY item_key",
    "SELECT * FROM marks ORDER BY ALL",
    "SELECT left_key, right_key, kind, probability, evidence FROM scores ORDER BY left_key, right_key",
    "SELECT left_id, right_id, probability, decided, evidence FROM matches ORDER BY left_key, right_key",
    "SELECT list(record_id ORDER BY record_id) AS records FROM members GROUP BY entity_id ORDER BY ALL",
    "SELECT any_value(columns(e.* EXCLUDE (entity_id, first_run, last_run))), min(record_id) AS least "
    "FROM entities e JOIN members USING (entity_id) GROUP BY entity_id ORDER BY least",
)


def changed(context: Context) -> tuple[int, int]:
    """How many records the last resolution took as new or changed, and how many as changed or gone."""
    counts = next(run.counts for run in reversed(context.runs()) if run.job == "resolve")
    return counts["new_or_changed"], counts["changed_or_gone"]
