"""How well deciding together holds where data is not as one hopes: one line of JSON for each whole run.

``python -m tests.benchmarks.deciding --sets dblp_acm abt_buy cora demo --data <folder>`` runs the shipped
configurations over the sets of that folder and the bundled emoji, each in several ways:

- ``as shipped``
- ``third removed``: of the rows of one side, so that many records have no partner; all else is the same.
- ``competition off``: no source is said to name each thing once.
- ``precision``: ``clustering.goal`` is ``precision``, at .95.

A line has precision, recall and F1 of the pairs with a held-out record, as published. ``best_f1`` is that of
the best of some thresholds by the truth, ``large`` the precision within entities of three and more records.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from tests.benchmarks.measuring import measured, report
from tests.slices import PLACES, TO_ENTITIES, run_all, shipped, write_emoji
from xmer_spark import clustering
from xmer_spark.clustering.odds import relative_to
from xmer_spark.config import Config, load_config
from xmer_spark.evaluation.pairs import pair_measures
from xmer_spark.runtime import logs
from xmer_spark.steps.described import alone
from xmer_spark.steps.evaluate.clusters import known_or_alone, pairs_of_held_out
from xmer_spark.steps.evaluate.held_out import Resolved
from xmer_spark.steps.train.partition import THRESHOLDS
from xmer_spark.store.published import Published

#: Way -> what it replaces in the configuration.
WAYS: dict[str, Sequence[str]] = {
    "as shipped": (),
    "third removed": (),
    "competition off": (),
    "precision": ("clustering.goal=precision", "clustering.precision=0.95"),
}
#: Set -> the file of the side from which a third is removed, and its separator; of one source there is none.
ONE_SIDE = {
    "abt_buy": ("relational/abt_buy/buyclean.csv", "|"),
    "dblp_acm": ("relational/dblp_acm/acmclean.csv", "%"),
    "demo": ("cldr.parquet", ""),
}
SETS = (*ONE_SIDE, "cora")
ONCE = "one_per_entity = true"
SEED = 0


def main() -> None:
    parser = argparse.ArgumentParser(description="How well deciding together holds.")
    parser.add_argument("--data", type=Path, help="folder of the sets that are not bundled")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=["demo"])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--labels", action="store_true", help="train on three fifths of the truth")
    options = parser.parse_args()
    logs.configure(verbose=False)
    for name in sets_of(options, parser):
        for way in options.ways:
            if name in ONE_SIDE or way not in ("third removed", "competition off"):
                with tempfile.TemporaryDirectory() as folder:
                    resolve(name, way, Path(folder), options.data, options.labels)


def sets_of(options: argparse.Namespace, parser: argparse.ArgumentParser) -> list[str]:
    """The sets that are asked for; an error ends it where one is not bundled nor said to lie anywhere."""
    names: list[str] = options.sets
    elsewhere = [name for name in names if name != "demo"]
    if elsewhere and options.data is None:
        parser.error(f"--data: where is {elsewhere[0]}?")
    return names


def resolve(name: str, way: str, folder: Path, data: Path | None, labels: bool) -> None:
    """Run the set's configuration in this way, in this folder, and tell what came of it."""
    write(name, folder, data)
    text = shipped(name, folder)
    if way == "third removed":
        remove_third(folder / ONE_SIDE[name][0], ONE_SIDE[name][1])
    if way == "competition off":
        text = text.replace(ONCE, "")
    if labels:
        text = text.replace('fixed_split = "test"', "")
    config = placed(text, folder, WAYS[way])
    cost, context = measured(lambda: run_all(config, TO_ENTITIES))
    context.close()
    found = Outcome.of(config)
    precision, recall, f1 = found.measures(found.cluster).round(4).tolist()
    report(
        f"{name}, {way}{', labels' if labels else ''}",
        len(found.entity),
        cost,
        precision=precision,
        recall=recall,
        f1=f1,
        threshold=found.threshold,
        **found.best(),
        large=found.precision_of_large(),
    )


def placed(text: str, folder: Path, replacements: Sequence[str] = ()) -> Config:
    """A configuration whose warehouse, models and report lie in the folder."""
    (folder / "config.toml").write_text(text)
    places = tomllib.loads(PLACES.format(folder=folder))
    replaced = [f"{section}.{key}={value}" for section in places for key, value in places[section].items()]
    return load_config(folder / "config.toml", [*replaced, *replacements])


def write(name: str, folder: Path, data: Path | None) -> None:
    """The set in the folder, as the shipped configuration expects it there."""
    if name == "demo":
        write_emoji(folder, every=1)
    elif data is not None:
        shutil.copytree(data / name, folder / "relational" / name)


def remove_third(path: Path, separator: str) -> None:
    """Remove a third of a file's rows, drawn by a seed."""
    draw = np.random.default_rng(SEED)
    if not separator:
        table = pq.read_table(path)
        pq.write_table(table.filter(draw.random(len(table)) >= 1 / 3), path)
        return
    rows = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False)
    rows[draw.random(len(rows)) >= 1 / 3].to_csv(path, sep=separator, index=False)


@dataclass(frozen=True)
class Outcome:
    """What a run has published: of each record (n) its cluster, true entity, and whether it is held out.

    ``source`` is that of records whose source names each thing once, -1 of others; ``edges`` (m, 2) are the
    matches by row, and ``decided`` (m) their probabilities.
    """

    config: Config
    cluster: np.ndarray
    entity: np.ndarray
    held_out: np.ndarray
    source: np.ndarray
    edges: np.ndarray
    decided: np.ndarray
    threshold: float

    @classmethod
    def of(cls, config: Config) -> Self:
        published = Published(config.warehouse.path)
        records = published.query(
            "SELECT record_key, source, entity, split = 'test' AS held_out, entity_id FROM records "
            "JOIN members USING (record_id, source) ORDER BY record_key"
        ).to_pandas()
        matches = published.query("SELECT left_key, right_key, decided FROM matches").to_pandas()
        threshold = published.query("SELECT value FROM current_metrics WHERE name = 'match_threshold/all'")
        once = {name: place for place, name in enumerate(sorted(alone(config)))}
        places = pd.Index(records["record_key"])
        return cls(
            config,
            records["entity_id"].to_numpy(),
            known_or_alone(records["entity"].to_numpy(dtype=object)),
            records["held_out"].fillna(False).to_numpy(dtype=bool),
            records["source"].map(once).fillna(-1).to_numpy(dtype=np.int64),
            np.stack([places.get_indexer(matches[side]) for side in ("left_key", "right_key")], axis=1),
            matches["decided"].to_numpy(dtype=np.float64),
            threshold.to_pylist()[0]["value"],
        )

    def measures(self, cluster: np.ndarray, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Precision, recall and F1 of the pairs of these records of which one is held out."""
        kind = np.full(len(self.entity), "any")
        resolved = Resolved(cluster[rows], self.entity[rows], kind[rows], self.held_out[rows])
        return pair_measures(pairs_of_held_out(resolved, self.entity[rows]).sum(axis=0))

    def best(self) -> dict[str, float]:
        """The threshold under which F1 is best by the truth, and that F1."""
        settings = self.config.clustering
        method = clustering.built(settings.method, settings.parameters, bool(alone(self.config)))
        found = {}
        for least in (*THRESHOLDS, self.threshold):
            links = self.decided >= least
            weight = relative_to(self.decided[links], np.full(links.sum(), least))
            cluster = method.cluster(len(self.entity), self.edges[links], weight, self.source)
            found[least] = float(self.measures(cluster)[2])
        threshold = max(found, key=found.__getitem__)
        return {"best_threshold": threshold, "best_f1": round(found[threshold], 4)}

    def precision_of_large(self) -> float | None:
        """The precision of pairs within entities of three and more records; None where there are none."""
        _, place, size = np.unique(self.cluster, return_inverse=True, return_counts=True)
        large = size[place] > 2
        return round(float(self.measures(self.cluster, large)[0]), 4) if large.any() else None


if __name__ == "__main__":
    main()
