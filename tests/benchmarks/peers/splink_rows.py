"""Splink on DuckDB over the made-up rows, in an environment of its own: one JSON line of what it took.

    .venv-bench/bin/python -m tests.benchmarks.peers.splink_rows FOLDER

``FOLDER`` has ``a.parquet`` and ``b.parquet``. The model is as Splink's guides build one: levels of
Jaro-Winkler similarity on every field, term frequencies where values differ in how frequent they are, chances
of agreement from random pairs, and expectation-maximisation on pairs of each blocking rule. The clusters go
to ``splink_<clusterer>.parquet``.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import duckdb
import splink.comparison_library as cl
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

from tests.benchmarks.measuring import Cost, measured
from tests.benchmarks.peers.settings import BEST_LINK, COMPONENTS, REVIEW, RULES, SOURCES, THREADS

T = TypeVar("T")
#: Random pairs, which Splink calls adequate while a model is developed, and pairs of a rule to train on.
RANDOM_PAIRS, TRAINING_PAIRS = 1e7, 1e6
#: Rules that hardly a wrong pair meets, and the share of true pairs that they are taken to find.
CERTAIN, FOUND = (block_on("mail"), block_on("given", "surname", "street")), 0.7


def settings() -> SettingsCreator:
    frequent = [
        cl.JaroWinklerAtThresholds(field, [0.92, 0.8]).configure(term_frequency_adjustments=True)
        for field in ("given", "surname", "street", "town")
    ]
    return SettingsCreator(
        link_type="link_only",
        unique_id_column_name="key",
        comparisons=[*frequent, cl.JaroWinklerAtThresholds("mail", [0.92, 0.8])],
        blocking_rules_to_generate_predictions=[block_on(*rule) for rule in RULES],
        retain_matching_columns=False,
    )


def run(folder: Path) -> dict[str, object]:
    stages: dict[str, Cost] = {}

    def stage(name: str, work: Callable[[], T]) -> T:
        stages[name], result = measured(work)
        return result

    database = duckdb.connect(config={"threads": THREADS})
    linker = stage("load", lambda: loaded(database, folder))
    stage("train", lambda: train(linker))
    blocked = stage("block", linker.inference.compute_blocked_pairs_for_predict)
    matches = stage("compare and score", lambda: linker.inference.predict(threshold_match_probability=REVIEW))
    best = stage(
        "cluster",
        lambda: linker.clustering.cluster_using_single_best_links(
            matches, duplicate_free_datasets=list(SOURCES), threshold_match_probability=BEST_LINK
        ),
    )
    parts = stage(
        "components",
        lambda: linker.clustering.cluster_pairwise_predictions_at_threshold(
            matches, threshold_match_probability=COMPONENTS
        ),
    )
    for name, clusters in (("best_links", best), ("components", parts)):
        database.sql(f"SELECT key, cluster_id AS cluster FROM {clusters.physical_name}").write_parquet(
            str(folder / f"splink_{name}.parquet")
        )
    pairs = database.sql(f"SELECT count(*) FROM {blocked.physical_name}").fetchall()[0][0]
    return {"stages": {name: list(cost) for name, cost in stages.items()}, "pairs": pairs}


def loaded(database: duckdb.DuckDBPyConnection, folder: Path) -> Linker:
    api, tables = DuckDBAPI(database), []
    for name in SOURCES:
        columns = "* EXCLUDE (person)"
        database.sql(f"CREATE TABLE rows_{name} AS SELECT {columns} FROM '{folder}/{name}.parquet'")
        tables.append(api.register(f"rows_{name}", dataset_display_name=name))
    return Linker(tables, settings(), log_level=logging.WARNING)


def train(linker: Linker) -> None:
    training = linker.training
    training.estimate_probability_two_random_records_match(list(CERTAIN), recall=FOUND)
    training.estimate_u_using_random_sampling(max_pairs=RANDOM_PAIRS)
    for rule in RULES:
        training.estimate_parameters_using_expectation_maximisation(block_on(*rule), max_pairs=TRAINING_PAIRS)


def main() -> None:
    parser = argparse.ArgumentParser(description="Splink on DuckDB over the made-up rows.")
    parser.add_argument("folder", type=Path)
    print(json.dumps(run(parser.parse_args().folder)))


if __name__ == "__main__":
    main()
