"""Every block of code in the README does what the README says, on a small set."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from click import Context as ClickContext
from click.testing import CliRunner
from PIL import Image
from pyspark.sql import SparkSession

from jobs.ingest import ingest
from tests.shops import write_shops
from tests.slices import ROOT, TO_ENTITIES, run_all
from xmer_spark.cli import main
from xmer_spark.config import Config, load_config
from xmer_spark.config.entities import Rule
from xmer_spark.runtime.environment import DELTA
from xmer_spark.steps.decide.decisions import Saying, decide
from xmer_spark.store.publication import finished_runs
from xmer_spark.store.published import Published
from xmer_spark.store.runs import Context

README = (ROOT / "README.md").read_text("utf-8")
#: The language and the text of every block, in order.
BLOCKS: list[tuple[str, str]] = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def block(start: str) -> str:
    """The block that starts like this."""
    found = [text for _, text in BLOCKS if text.startswith(start)]
    assert len(found) == 1, f"the README has {len(found)} blocks that start with {start!r}"
    return found[0]


def commands(text: str) -> list[list[str]]:
    """The words of each line, without comments."""
    return [shlex.split(line, comments=True) for line in text.splitlines() if line.strip()]


def test_every_block_has_a_test_here() -> None:
    tested = (
        "make demo", "source .venv", "import duckdb", "[entities]", "xmer review", "xmer rollback",
        "xmer init", "name =",
        "spark-submit",
    )  # fmt: skip
    assert [text for _, text in BLOCKS if not text.startswith(tested)] == []
    assert len(BLOCKS) == len(tested)


def test_the_two_commands_are_targets_of_make() -> None:
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for words in commands(block("make demo")):
        assert words[0] == "make"
        assert words[1] in targets


def test_the_tables_are_asked_as_shown(command_run: Path) -> None:
    published = Published(str(command_run / "warehouse"))
    entity = published.query("SELECT entity_id FROM entities LIMIT 1")["entity_id"][0].as_py()
    asked = [words for words in commands(block("source .venv")) if words[0] == "xmer"]
    assert len(asked) == 7
    for words in asked:
        arguments = [entity if word in ("ENTITY", "OLD_ID") else word for word in words[1:]]
        done = CliRunner().invoke(main, [*arguments, "--config", str(command_run / "demo.toml")])
        assert done.exit_code == 0, done.output
        assert len(done.output) > 100


def test_a_run_is_undone_as_shown(command_run: Path, tmp_path: Path) -> None:
    shutil.copytree(command_run / "warehouse", tmp_path / "warehouse")
    config = ["--config", str(command_run / "demo.toml"), "--set", f"warehouse.path={tmp_path}/warehouse"]
    # Others may have run more in that warehouse since; the first resolution was evaluated.
    runs = finished_runs(Published(str(tmp_path / "warehouse")).runs())
    at = [row["job"] for row in runs].index("resolve")
    resolved = runs[at]["run_id"]
    back, resume, run = (words[1:] for words in commands(block("xmer rollback")))
    for words, told in (([back[0], resolved], "undone: evaluate-"), (resume, "goes on from run resolve-")):
        done = CliRunner().invoke(main, [*words, *config])
        assert done.exit_code == 0, done.output
        assert told in done.output
    assert run == ["run"]
    listed = CliRunner().invoke(main, ["runs", *config]).output
    assert listed.count("undone") == sum(row["job"] != "decide" for row in runs[at + 1 :])
    shown = CliRunner().invoke(main, ["metrics", *config, "--json"]).output
    assert "validation_score" in shown
    assert "bcubed_f1" not in shown


def test_mlflow_has_the_command_that_is_shown() -> None:
    from mlflow.cli import cli

    shown = next(words for words in commands(block("source .venv")) if words[0] == "mlflow")
    command = cli.get_command(ClickContext(cli), shown[1])
    assert command is not None
    options = [option for parameter in command.params for option in parameter.opts]
    assert shown[2] in options


def test_the_tables_are_read_in_python_as_shown(command_run: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", block("import duckdb")],
        cwd=command_run,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "title" in done.stdout
    assert "list(record_id)" in done.stdout


def test_the_rules_of_values_are_those_that_are_shown(tmp_path: Path) -> None:
    fields = """
    [[source]]
    name = "%s"
    kind = "parquet"
    path = "x"
    key = "k"
    fields.title.type = "text"
    fields.price.type = "number"
    fields.updated.type = "date"
    fields.photo.type = "image"
    """
    file = tmp_path / "shown.toml"
    file.write_text('name = "shown"\n' + fields % "shop" + fields % "erp" + block("[entities]"))
    config = load_config(file)
    assert config.entities.sources(config.source) == ["erp", "shop"]
    rules = {name: rule.rule for name, rule in config.entities.rules(config.source).items()}
    shown = re.search(r"^\[entities\.values\] +# (.*)$", block("[entities]"), re.MULTILINE)
    assert shown is not None
    assert shown[1].split(", ") == list(get_args(Rule))
    assert rules == {
        "title": "most_trusted", "price": "newest", "updated": "most_frequent", "photo": "best_picture"
    }  # fmt: skip


@pytest.fixture
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration of the README, with a table and photographs where it says that they are."""
    (tmp_path / "photos").mkdir()
    rows = ["sku,product,title,brand,price"]
    for number in range(6):
        Image.new("RGB", (16, 16), (40 * number, 0, 0)).save(tmp_path / "photos" / f"s{number}.jpg")
        rows.append(f"s{number},p{number},a thing with number {number},maker {number % 2},{number}.50")
    (tmp_path / "catalogue.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "my.toml").write_text(block("name ="))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_ones_own_data_is_read_by_the_configuration_that_is_shown(
    spark: SparkSession, own_data: Path
) -> None:
    context = Context(load_config("my.toml"))
    ingest(context)
    records = context.warehouse.read("records")
    assert records.where("entity IS NOT NULL AND fields['price'] IS NOT NULL").count() == 6
    assert context.warehouse.read("items").count() == 12
    assert context.warehouse.read("rejects").isEmpty()


def test_two_tables_without_known_matches_are_looked_at_and_resolved_as_shown(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    begin, run = commands(block("xmer init"))
    write_shops(tmp_path, begin[2], begin[3], shared=120)
    done = CliRunner().invoke(main, begin[1:])
    assert done.exit_code == 0, done.output
    run_all(load_config(run[run.index("--config") + 1]), TO_ENTITIES)
    published = Published(load_config("my.toml").warehouse.path)
    pairs = published.query("SELECT count(*) AS pairs FROM entities WHERE size = 2")["pairs"][0].as_py()
    assert pairs > 0.8 * 120
    decide_as_shown(load_config("my.toml"))


def decide_as_shown(config: Config) -> None:
    """Keep the README's decisions on this warehouse's records; what comes of any is shown elsewhere."""
    shown = commands(block("xmer review"))
    decided = [words[2:] for words in shown if words[1] == "decide" and "--file" not in words]
    context = Context(config)
    assert decide(context, [Saying.of(*words) for words in decided]).startswith("2 kept")
    for words in shown:
        command = main.get_command(ClickContext(main), words[1])
        assert command is not None
        command.make_context(words[1], words[2:])


def test_one_job_is_submitted_as_shown(own_data: Path) -> None:
    shown = re.search(r"`spark-submit (jobs/\w+\.py) --config my\.toml --set (\S+)`", README)
    assert shown is not None
    assert (ROOT / shown[1]).is_file()
    assert load_config("my.toml", [shown[2]]).scoring.match_threshold == 0.3


def test_the_cluster_s_command_names_the_jar_and_the_files_that_there_are() -> None:
    words = commands(block("spark-submit"))[0]
    assert words[words.index("--packages") + 1] == DELTA
    assert all((ROOT / word).is_file() for word in words if word.endswith((".py", ".toml")))
