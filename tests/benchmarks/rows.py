"""Rows of five string fields from two sources, from files to entities, and Splink beside it.

    python -m tests.benchmarks.rows --rows 100000 1000000 --peers

Two sources of so many people each, no labels; nothing but equal keys proposes pairs, the same for both
systems, and each has two threads. A line of JSON a system and size gives the seconds and core-seconds of each
stage, the most memory that its processes had at once, what a million compared pairs cost, and how well the
truth was found among all true pairs, those that no rule proposes included. ``core_seconds_per_million`` is of
blocking, comparing and scoring; ``of_all`` is of everything. The last line of a system is the growth from the
first size to the last. Splink runs in the environment that ``make bench`` makes for it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from tests.benchmarks.end_to_end import job as job_of
from tests.benchmarks.measuring import Cost, measured, report
from tests.benchmarks.peers.settings import REVIEW, RULES, SOURCES, THREADS
from tests.benchmarks.rows_data import FIELDS, write_rows
from tests.slices import PLACES
from xmer_spark.config import load_config
from xmer_spark.runtime import logs
from xmer_spark.store.published import Published
from xmer_spark.store.runs import Context

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]
PEER_PYTHON = ROOT / ".venv-bench/bin/python"
CONFIG = """
name = "rows"
[spark]
master = "local[{threads}]"
driver_memory = "{memory}"
shuffle_partitions = 16
[scoring]
method = "fellegi_sunter"
review_threshold = {review}
[blocking]
partitions = 16
[[blocking.use]]
method = "rules"
parameters = {{rules = {rules}}}
"""
SOURCE = """
[[source]]
name = "{name}"
kind = "parquet"
path = "{folder}/{name}.parquet"
key = "key"
fixed_split = "test"
one_per_entity = true
[source.fields]
"""
#: The stages that work on candidate pairs, of either system; and what one does beside the task.
OF_PAIRS, BESIDE = {"block, compare and score", "block", "compare and score"}, {"certify", "components"}


class Run(NamedTuple):
    """What the stages of a system cost, how many pairs it compared, and its clusters by their names."""

    stages: dict[str, Cost]
    pairs: int
    clusters: dict[str, pa.Table]

    def cost(self, names: Sequence[str] | set[str]) -> Cost:
        """These stages together."""
        seconds, cpu, peak = zip(*(self.stages[name] for name in names if name in self.stages), strict=True)
        return Cost(sum(seconds), sum(cpu), max(peak))

    def whole(self) -> Cost:
        return self.cost(self.stages.keys() - BESIDE)


def with_xmer(folder: Path, memory: str) -> Run:
    """The pipeline's own jobs; ``resolve`` step by step, so that each can be timed."""
    config = folder / "rows.toml"
    config.write_text(_configuration(folder, memory))
    context = Context(load_config(config))
    stages: dict[str, Cost] = {}

    def stage(name: str, work: Callable[[], T]) -> T:
        stages[name], result = measured(work)
        return result

    stage("start", lambda: context.spark)
    for name in ("ingest", "extract", "train"):
        stage(name, partial(job_of(name), context))
    pairs = _resolved(context, stage)
    context.close()
    members = Published(f"{folder}/warehouse").query(
        "SELECT split_part(record_id, '/', 2) AS key, entity_id AS cluster FROM members"
    )
    return Run(stages, pairs, {"": members})


def _configuration(folder: Path, memory: str) -> str:
    rules = json.dumps([list(rule) for rule in RULES])
    of_all = CONFIG.format(memory=memory, threads=THREADS, review=REVIEW, rules=rules)
    of_all += PLACES.format(folder=folder)
    fields = "".join(f'{field} = {{type = "name"}}\n' for field in FIELDS)
    return of_all + "".join(SOURCE.format(folder=folder, name=name) + fields for name in SOURCES)


def _resolved(context: Context, stage: Callable[[str, Callable[[], object]], object]) -> int:
    """What jobs/resolve.py does; returns how many pairs were compared."""
    from xmer_spark.resolver.model import Resolver
    from xmer_spark.resolver.registry import Registry
    from xmer_spark.steps.resolve import candidates, deciding, encode, publish

    registry = Registry(context.config.tracking)
    version = registry.require_champion()
    reads = ["records", "items", "features"]
    with context.job("resolve", reads, {}, model=version, trained=registry.run_of(version)) as job:
        resolver = Resolver.load(registry.download(version))
        embeddings = encode.encode(job, resolver, None)
        blocks = candidates.block(job, resolver, embeddings, None)
        scores = stage("block, compare and score", lambda: candidates.score(job, resolver, blocks))
        matches = stage("weigh rivals", lambda: deciding.weigh(job, resolver, scores))
        least = publish.least_of_a_match(job, resolver)
        stage("certify", lambda: candidates.certify(job, resolver, blocks, matches, least))
        stage("cluster", lambda: publish.publish(job, publish.cluster(job, matches, least), matches, None))
        return job.counts["candidates"]


def with_splink(folder: Path) -> Run:
    command = [PEER_PYTHON, "-m", "tests.benchmarks.peers.splink_rows", folder]
    output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    found = json.loads(output.splitlines()[-1])
    stages = {name: Cost(*cost) for name, cost in found["stages"].items()}
    files = {name: folder / f"splink_{name}.parquet" for name in ("best_links", "components")}
    return Run(stages, found["pairs"], {name: pq.read_table(file) for name, file in files.items()})


def found(folder: Path, clusters: pa.Table) -> dict[str, float]:
    """Precision, recall and F1 of the pairs of rows in one cluster, over all rows."""
    connection = duckdb.connect()
    connection.register("clusters", clusters)
    hits, made, true = connection.execute(
        f"""
        WITH truth AS (
            SELECT key, person FROM '{folder}/a.parquet' UNION ALL
            SELECT key, person FROM '{folder}/b.parquet'),
        placed AS (SELECT cluster, person FROM clusters JOIN truth USING (key))
        SELECT
            (SELECT sum(n * (n - 1) // 2) FROM (SELECT count(*) AS n FROM placed GROUP BY cluster, person)),
            (SELECT sum(n * (n - 1) // 2) FROM (SELECT count(*) AS n FROM placed GROUP BY cluster)),
            (SELECT sum(n * (n - 1) // 2) FROM (SELECT count(*) AS n FROM truth GROUP BY person))
        """
    ).fetchall()[0]
    scores = {"precision": hits / max(made, 1), "recall": hits / true, "f1": 2 * hits / (made + true)}
    return {name: round(float(value), 4) for name, value in scores.items()}


def tell(system: str, rows: int, folder: Path, run: Run) -> None:
    scores = {name: found(folder, clusters) for name, clusters in run.clusters.items()}
    first, *others = scores.items()
    report(
        f"rows, {system}",
        rows,
        run.whole(),
        stages={name: [round(value, 2) for value in cost] for name, cost in run.stages.items()},
        pairs=run.pairs,
        core_seconds_per_million=_per_million(run.cost(OF_PAIRS & run.stages.keys()), run.pairs),
        of_all=_per_million(run.whole(), run.pairs),
        **first[1],
        **dict(others),
    )


def tell_growth(system: str, rows: Sequence[int], first: Run, last: Run) -> None:
    """How many times as much the last size takes as the first."""
    line = {"rows": rows[-1] / rows[0], "pairs": last.pairs / first.pairs}
    for name, now, before in zip(Cost._fields, last.whole(), first.whole(), strict=True):
        line[name] = now / before
    rounded = {name: round(value, 2) for name, value in line.items()}
    print(json.dumps({"growth": system} | rounded), flush=True)


def _per_million(cost: Cost, pairs: int) -> float:
    return round(cost.cpu_seconds / pairs * 1e6, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description="Rows of five string fields, and Splink beside it.")
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000], help="of each source")
    parser.add_argument("--memory", default="6g", help="of the Spark driver, which here is all of Spark")
    parser.add_argument("--peers", action="store_true", help="Splink, too")
    options = parser.parse_args()
    logs.configure()
    runs: dict[str, list[Run]] = {}
    for rows in options.rows:
        with tempfile.TemporaryDirectory() as parent:
            folder = Path(parent)
            write_rows(folder, rows, 0)
            works = {"xmer": lambda: with_xmer(folder, options.memory)}  # noqa: B023
            if options.peers:
                works["splink"] = lambda: with_splink(folder)  # noqa: B023
            for system, work in works.items():
                runs.setdefault(system, []).append(work())
                tell(system, rows, folder, runs[system][-1])
    for system, each in runs.items():
        tell_growth(system, options.rows, each[0], each[-1])


if __name__ == "__main__":
    main()
