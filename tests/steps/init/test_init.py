"""What ``xmer init`` writes: it always loads, joins what belongs together, and leaves truth to a person."""

from __future__ import annotations

import csv
import io
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.steps.init.conftest import configured, run, types
from xmer_spark.config import Config, load_config
from xmer_spark.errors import ConfigError
from xmer_spark.steps.init.begin import begin

Write = Callable[[str, str], Path]
FIRST, LAST = ("amber", "stone", "cloud", "maple", "tiger"), ("river", "copper", "violet", "ember")
NAMES = [f"{first} {last}" for first in FIRST for last in LAST]


def table(header: str, rows: list[tuple[object, ...]]) -> str:
    return "\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n"


def test_columns_of_the_same_meaning_get_one_name(tmp_path: Path, write: Write) -> None:
    one = table("id,name,price,town", [(n, name, n + 0.5, "Rome") for n, name in enumerate(NAMES)])
    other = table("id,Title,cost,origin", [(n, f"{name} x", n + 1.5, "Rome") for n, name in enumerate(NAMES)])
    config, text = configured(tmp_path, write("one.csv", one), write("other.csv", other))
    assert types(config, 0) == {"name": "name", "price": "number", "town": "category"}
    assert list(config.source[1].fields) == ["name", "price", "origin"]
    assert config.source[1].fields["name"].column == "Title"
    assert "taken as name of an earlier source" in text


def test_columns_whose_values_overlap_get_one_name_whatever_it_is(tmp_path: Path, write: Write) -> None:
    one = table("id,who", list(enumerate(NAMES)))
    other = table("id,what", list(enumerate(NAMES[::-1])))
    config, _ = configured(tmp_path, write("one.csv", one), write("other.csv", other))
    assert list(config.source[1].fields) == ["who"]


def test_one_field_has_one_type_in_all_sources(tmp_path: Path, write: Write) -> None:
    one = table("id,size", [(n, n + 0.5) for n in range(30)])
    other = table("id,size", [(n, ("small", "large")[n % 2]) for n in range(30)])
    config, text = configured(tmp_path, write("one.csv", one), write("other.csv", other))
    assert types(config, 0) == types(config, 1) == {"size": "category"}
    assert "looks like number here, but category elsewhere" in text


def test_a_label_is_not_used_unless_a_person_says_so(tmp_path: Path, write: Write) -> None:
    rows = [(n, name, n % 2, n // 2, "train") for n, name in enumerate(NAMES)]
    config, text = configured(tmp_path, write("a.csv", table("id,name,label,entity,split", rows)))
    [source] = config.source
    assert (source.label, source.entity, source.split) == (None, None, None)
    assert list(source.fields) == ["name"]
    uncommented = re.sub(r"^# (label|entity|split) =", r"\1 =", text, flags=re.MULTILINE)
    [source] = Config.model_validate(tomllib.loads(uncommented)).source
    assert (source.label, source.entity, source.split) == ("label", "entity", "split")


def test_sources_name_each_thing_once_only_where_that_can_be_seen(tmp_path: Path, write: Write) -> None:
    distinct = write("a.csv", table("id,name", list(enumerate(NAMES))))
    repeated = write("b.csv", table("id,name", list(enumerate([*NAMES, NAMES[0].upper()]))))
    config, _ = configured(tmp_path, distinct, repeated)
    assert [source.one_per_entity for source in config.source] == [True, False]
    many = [f"{name} {place}" for place in range(5) for name in NAMES]
    seldom = write("c.csv", table("id,name", list(enumerate([*many, many[0]]))))
    config, text = configured(tmp_path, distinct, seldom)
    assert [source.one_per_entity for source in config.source] == [True, True]
    assert f"1 of {len(many) + 1} values of name comes again" in text
    config, _ = configured(tmp_path, distinct)
    assert config.source[0].one_per_entity is False


def test_the_hints_are_settings_that_the_configuration_knows(tmp_path: Path, write: Write) -> None:
    _, text = configured(tmp_path, write("a.csv", table("id,name", list(enumerate(NAMES)))))
    start = text.index("# [blocking]")
    hints = re.sub(r"^# ", "", text[start:], flags=re.MULTILINE)
    assert set(tomllib.loads(hints)) == {"blocking", "scoring", "entities"}
    Config.model_validate(tomllib.loads(text[:start] + hints))


def test_sources_of_one_file_name_are_told_apart(tmp_path: Path, write: Write) -> None:
    text = table("id,name", list(enumerate(NAMES)))
    config, _ = configured(tmp_path, write("here/rows.csv", text), write("there/rows.csv", text))
    assert [source.name for source in config.source] == ["here_rows", "there_rows"]


def test_a_file_that_is_there_is_not_overwritten(
    tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write("shop.csv", table("id,name", list(enumerate(NAMES))))
    assert run("shop.csv").exit_code == 0
    assert load_config("shop.toml").source[0].path == "shop.csv"
    again = run("shop.csv")
    assert again.exit_code == 1
    assert "shop.toml: is there already" in again.output
    assert run("shop.csv", "--name", "other").exit_code == 0
    assert load_config("other.toml").name == "other"
    with pytest.raises(ConfigError, match="--name"):
        begin([Path("shop.csv")], name="7 up")


def test_what_is_printed_says_what_to_check_and_to_run_next(tmp_path: Path, write: Write) -> None:
    output = tmp_path / "a.toml"
    file = write("a.csv", table("id,name,label", [(n, name, 1) for n, name in enumerate(NAMES)]))
    said = run(file, "-o", output).output
    assert "a: 20 rows, key id (sure); name (name, likely)" in said
    assert "check a: 'label' may be the label" in said
    assert said.splitlines()[-1] == f"Next:    xmer run --config {output}"


cells = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
values = st.one_of(cells, st.floats().map(str), st.dates().map(str))


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    header=st.lists(cells.filter(lambda name: name not in ("id", "title")), max_size=4),
    rows=st.lists(st.lists(values, min_size=4, max_size=4), min_size=1, max_size=8),
)
def test_whatever_a_table_holds_what_is_written_loads(
    tmp_path: Path, header: list[str], rows: list[list[str]]
) -> None:
    written = io.StringIO(newline="")
    lines = [[n, f"thing {n} of mine", *row[: len(header)]] for n, row in enumerate(rows)]
    csv.writer(written).writerows([["id", "title", *header], *lines])
    path, output = tmp_path / "any.csv", tmp_path / "any.toml"
    path.write_text(written.getvalue(), "utf-8", newline="")
    output.unlink(missing_ok=True)
    begin([path], output)
    assert load_config(output).source[0].path == str(path)


RELATIONAL = {
    "abt_buy/abtclean.csv": {"name": "name", "description": "text", "price": "number"},
    "dblp_acm/dblpclean.csv": {"title": "name", "authors": "set", "venue": "category", "year": "number"},
    "cora/cora.csv": {"author": "set", "title": "name", "publisher": "category"},
    "splits/beer/tableA.csv": {
        "Beer_Name": "name", "Brew_Factory_Name": "name", "Style": "category",
    },
    "splits/fodors_zagat/tableA.csv": {
        "name": "name", "addr": "name", "city": "category", "phone": "identifier",
    },
    "splits/rotten_imdb/tableA.csv": {
        "name": "name", "director": "name", "genre": "set",
    },
    "splits/zomato_yelp/tableA.csv": {
        "name": "name", "votes": "number", "rating": "number", "phone": "identifier", "address": "name",
        "zip": "identifier", "cuisine": "set",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", RELATIONAL)
def test_published_tables_get_the_types_that_a_person_would_give(
    tmp_path: Path, shared_data: Path, name: str
) -> None:
    config, _ = configured(tmp_path, shared_data / "relational" / name)
    assert config.source[0].key in ("id", "Entity Id")
    found = types(config)
    assert {field: found.get(field) for field in RELATIONAL[name]} == RELATIONAL[name]


SETS = ("abt_buy", "beer", "dblp_acm", "fodors_zagat", "rotten_imdb", "zomato_yelp")


@pytest.mark.parametrize("folder", SETS)
def test_two_published_tables_get_the_same_fields(tmp_path: Path, shared_data: Path, folder: str) -> None:
    tables = [shared_data / "relational" / "splits" / folder / f"table{side}.csv" for side in "AB"]
    config, _ = configured(tmp_path, *tables)
    assert types(config, 0) == types(config, 1)
