"""Rows of made-up tables matched by both protocols, from files as the sets have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from xmer_spark.config import BenchmarkTables
from xmer_spark.errors import ConfigError
from xmer_spark.steps.benchmark import matching, relational, tables

THINGS = 150


def shops(seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame, list[tuple[str, str]]]:
    """Two tables of things, in orders of their own, a word of four another one; and which are the same."""
    random = np.random.default_rng(seed)
    words = random.choice(
        [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in "lmnrst"], (THINGS, 4)
    )
    sides = []
    for side, order in enumerate((np.arange(THINGS), random.permutation(THINGS))):
        said = words.copy()
        changed = random.integers(4, size=THINGS)
        said[np.arange(THINGS), changed] = random.choice(words.ravel(), THINGS)
        price = (np.arange(THINGS) * 7.5 + side).astype(str)
        table = pd.DataFrame(
            {"id": np.arange(THINGS), "name": [" ".join(row) for row in said], "price": price}
        )
        sides.append(table.iloc[order].astype(str))
    return *sides, [(str(n), str(n)) for n in range(THINGS)]


@pytest.fixture
def whole(tmp_path: Path) -> BenchmarkTables:
    left, right, matches = shops()
    left.to_csv(tmp_path / "left.csv", sep="|", index=False)
    right.to_csv(tmp_path / "right.csv", sep="|", index=False)
    pd.DataFrame(matches, columns=["D1", "D2"]).to_csv(tmp_path / "truth.csv", sep="|", index=False)
    paths = {name: f"{tmp_path}/{name}.csv" for name in ("left", "right", "truth")}
    return BenchmarkTables(name="shops", separator="|", **paths)


@pytest.fixture
def splits(tmp_path: Path) -> BenchmarkTables:
    left, right, matches = shops()
    left.to_csv(tmp_path / "tableA.csv", index=False)
    right.to_csv(tmp_path / "tableB.csv", index=False)
    others = [(str(n), str((n + step) % THINGS)) for n in range(THINGS) for step in (1, 5)]
    for number, part in enumerate(("train", "valid", "test")):
        rows = [(a, b, label) for label, pairs in ((1, matches), (0, others)) for a, b in pairs[number::3]]
        pd.DataFrame(rows, columns=["ltable_id", "rtable_id", "label"]).to_csv(
            tmp_path / f"{part}.csv", index=False
        )
    return BenchmarkTables(name="shops_splits", splits=str(tmp_path))


def test_whole_tables_are_matched_without_labels(whole: BenchmarkTables) -> None:
    (found,) = relational.measure(whole)
    assert (found.setting, found.method) == ("whole_tables", "no_labels")
    assert found.values["pair_f1"] > 0.9


def test_splits_are_judged_on_the_pairs_of_test_with_and_without_labels(splits: BenchmarkTables) -> None:
    found = {scored.method: scored for scored in relational.measure(splits)}
    assert set(found) == {"no_labels", "training_pairs"}
    assert all(scored.setting == "splits" for scored in found.values())
    assert all(scored.values["pair_f1"] > 0.9 for scored in found.values())


def test_without_labels_no_label_is_used(splits: BenchmarkTables) -> None:
    before = relational.measure(splits)[0].values
    for part in ("train", "valid"):
        path = Path(splits.splits) / f"{part}.csv"
        table = pd.read_csv(path)
        table["label"] = table["label"].to_numpy()[::-1]
        table.to_csv(path, index=False)
    assert relational.measure(splits)[0].values == before


def test_a_table_compared_with_itself_has_each_pair_once(tmp_path: Path) -> None:
    left, right, _ = shops()
    right["id"] = (right["id"].astype(int) + THINGS).astype(str)
    pd.concat([left, right]).to_csv(tmp_path / "all.csv", index=False)
    (tmp_path / "truth.csv").write_text("".join(f"{n + THINGS},{n}\n{n},{n}\n" for n in range(THINGS)))
    settings = BenchmarkTables(name="one", left=f"{tmp_path}/all.csv", truth=f"{tmp_path}/truth.csv")
    assert len(tables.tables(settings).true_pairs(settings.truth, ",")) == THINGS
    assert relational.of_whole_tables(settings).values["pair_recall"] > 0.5


def test_numbers_are_found_and_columns_without_values_or_with_the_truth_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "left.csv").write_text("id,release date,class,price,\nx,may,1,3.5,\ny,june,2,4,\n")
    (tmp_path / "truth.csv").write_text("x,z\n")
    settings = BenchmarkTables(
        name="one", left=f"{tmp_path}/left.csv", truth=f"{tmp_path}/truth.csv", leave_out=["class"]
    )
    found = tables.tables(settings)
    types = {name: field.type for name, field in found.config.source[0].fields.items()}
    assert types == {"release_date": "text", "price": "number"}
    (tmp_path / "truth.csv").write_text("x,y\nx,z\n")
    with pytest.raises(ConfigError, match="no records have the keys x and z"):
        found.true_pairs(settings.truth, ",")


def test_a_set_is_of_one_protocol() -> None:
    with pytest.raises(ValidationError, match="either left and truth of whole tables, or the folder"):
        BenchmarkTables(name="both", left="left.csv", splits="folder")


def test_the_fingerprint_is_of_what_the_files_say(whole: BenchmarkTables, splits: BenchmarkTables) -> None:
    from types import SimpleNamespace

    only = SimpleNamespace(features=[], methods=[], conditions=[], data=[])
    gone = whole.model_copy(update={"name": "gone", "truth": "nowhere.csv"})
    benchmark = SimpleNamespace(only=only, relational=[whole, gone])
    absent: dict[str, str] = {}
    (first,) = matching.asked(benchmark, absent).values()  # type: ignore[arg-type]
    assert absent == {"gone": "there is no nowhere.csv"}
    with open(whole.truth, "a") as file:
        file.write("0|1\n")
    (second,) = matching.asked(benchmark, {}).values()  # type: ignore[arg-type]
    assert first[1] != second[1]
