"""Matching rows of two tables, by the two protocols of the field: one JSON line for each figure.

``python -m tests.benchmarks.relational --data <folder>``, the folder of ``abt_buy``, ``dblp_acm``, ``cora``
and ``splits``. One set of defaults for all; the two protocols are different tasks and not to be compared.

- ``whole tables``: all records of both sides, no labels, F1 of pairs after clustering. Records are blocked by
  a simple stand-in, the most alike by n-grams of all that a record says; the pipeline has its own.
- ``splits``: the pairs of ``test.csv``. ``no labels``: nothing is known of any label of the set.
  ``training pairs``: boosted trees on those of ``train.csv``, the threshold chosen on ``valid.csv``.

``alone`` is a pair by itself; ``decided`` is after competition with its rivals among the candidates of the
whole tables. Without labels the model of Fellegi and Sunter comes first; what deciding together makes of it
teaches boosted trees, across folds, which tell a pair by itself better. Core-seconds of the comparisons are
those of fitting and of preparing the records, too, which weigh most where pairs are few.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.measuring import Cost, measured, report
from tests.benchmarks.relational_data import Split, Tables, splits, whole_tables
from xmer_spark.clustering import REGISTRY as CLUSTERING
from xmer_spark.clustering.competition import decide, learnt_slack
from xmer_spark.comparisons import BY_TYPE
from xmer_spark.comparisons import REGISTRY as COMPARISONS
from xmer_spark.scoring import REGISTRY
from xmer_spark.scoring.thresholds import best_threshold

#: Candidates of a record: those that are at least this share as much alike as its likest one ...
SHARE = 0.3
#: ... and at most so many.
MOST = 200
FOLDS = 3


def main() -> None:
    options = arguments()
    for tables in whole_tables(options.data):
        if tables.name in (options.sets or [tables.name]):
            of_whole_tables(tables)
    for split in splits(options.data):
        if split.tables.name in (options.sets or [split.tables.name]):
            of_split(split)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Matching rows of two tables, with and without labels.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--sets", nargs="*", help="these only")
    return parser.parse_args()


def of_whole_tables(tables: Tables) -> None:
    pairs = candidates(tables)
    cost, (evidence, names) = measured(lambda: compared(tables, pairs))
    line("whole tables", tables, pairs, cost, "comparisons", recall=recall(tables, pairs))
    cost, (alone, decided) = measured(lambda: unlabelled(tables, pairs, evidence, names))
    for kind, probability in (("alone", alone), ("decided", decided)):
        linked = pairs[probability >= best_threshold(probability, probability, np.ones(len(pairs)))]
        scores = f1(tables.flat(linked), tables.flat(tables.matches))
        line("whole tables", tables, pairs, cost, f"no labels, pairs {kind}", **scores)
    scores = f1(tables.flat(clustered(tables, pairs, decided)), tables.flat(tables.matches))
    line("whole tables", tables, pairs, cost, "no labels, clustered", **scores)


def of_split(split: Split) -> None:
    tables = split.tables
    given = np.concatenate([split.pairs[part] for part in ("train", "valid", "test")])
    pairs = np.concatenate([given, candidates(tables)])
    pairs = pairs[np.unique(tables.flat(pairs), return_index=True)[1]]
    place = {
        part: np.searchsorted(tables.flat(pairs), tables.flat(split.pairs[part])) for part in split.pairs
    }
    cost, (evidence, names) = measured(lambda: compared(tables, pairs))
    line("splits", tables, pairs, cost, "comparisons")

    cost, (alone, decided) = measured(lambda: unlabelled(tables, pairs, evidence, names))
    for kind, probability in (("alone", alone), ("decided", decided)):
        least = best_threshold(probability, probability, np.ones(len(pairs)))
        scores = of_test(split, probability[place["test"]] >= least)
        line("splits", tables, pairs, cost, f"no labels, {kind}", **scores)

    cost, alone = measured(lambda: taught(evidence, names, place["train"], split.truth["train"]))
    for kind, probability in (("alone", alone), ("decided", competing(tables, pairs, alone))):
        valid = probability[place["valid"]]
        least = best_threshold(valid, split.truth["valid"], np.ones(len(valid)))
        scores = of_test(split, probability[place["test"]] >= least)
        line("splits", tables, pairs, cost, f"training pairs, {kind}", **scores)


def candidates(tables: Tables) -> np.ndarray:
    """The stand-in for blocking: (p, 2) pairs of rows, sorted; of one source every pair once."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = [[value or "" for value in side["record"]] for side in (tables.left, tables.right)]
    grams = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 4), sublinear_tf=True).fit(
        texts[0] + texts[1]
    )
    alike = (grams.transform(texts[0]) @ grams.transform(texts[1]).T).toarray().astype(np.float32)
    if not tables.once:
        np.fill_diagonal(alike, 0)
    kept = likest(alike) | likest(alike.T).T
    pairs = np.argwhere(kept)
    return pairs if tables.once else pairs[pairs[:, 0] < pairs[:, 1]]


def likest(alike: np.ndarray) -> np.ndarray:
    most = min(MOST, alike.shape[1])
    enough = np.partition(alike, -most, axis=1)[:, -most]
    least = np.maximum(np.maximum(enough, SHARE * alike.max(axis=1)), 1e-6)
    return alike >= least[:, None]


def compared(tables: Tables, pairs: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """The evidence of pairs, and its names."""
    evidence, names = [], []
    for field, kind in tables.types().items():
        both = (
            np.concatenate([tables.left[field], tables.right[field]]) if tables.once else tables.left[field]
        )
        comparison = COMPARISONS.build(BY_TYPE[kind]).fit(both)
        left, right = (comparison.prepare(side[field]) for side in (tables.left, tables.right))
        evidence.append(comparison.compare(left, right, pairs[:, 0], pairs[:, 1]))
        names += [f"{field}~{field}/{measure}" for measure in comparison.measures]
    return np.hstack(evidence), names


def unlabelled(
    tables: Tables, pairs: np.ndarray, evidence: np.ndarray, names: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of pairs by themselves, and decided, that use no label."""
    first = REGISTRY.build("fellegi_sunter").fit(evidence, names).probability(evidence)
    together = clustered(tables, pairs, competing(tables, pairs, first))
    believed = np.isin(tables.flat(pairs), tables.flat(together))
    alone = np.empty(len(pairs))
    for fold in range(FOLDS):
        own = pairs[:, 0] % FOLDS == fold
        scorer = REGISTRY.build("boosted").fit(evidence[~own], names, believed[~own])
        alone[own] = scorer.probability(evidence[own])
    return alone, competing(tables, pairs, alone)


def taught(evidence: np.ndarray, names: list[str], rows: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return np.asarray(REGISTRY.build("boosted").fit(evidence[rows], names, truth).probability(evidence))


def competing(tables: Tables, pairs: np.ndarray, probability: np.ndarray) -> np.ndarray:
    matches = (pairs[:, 0], pairs[:, 1], probability, tables.once, tables.once)
    return decide(*matches, learnt_slack(*matches))


def clustered(tables: Tables, pairs: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """The pairs (p, 2) that are in one cluster."""
    rows, shift = tables.shape, tables.shape[0] if tables.once else 0
    strong = probability > 0.01
    count = rows[0] + (rows[1] if tables.once else 0)
    source = (np.arange(count) >= rows[0]).astype(int) if tables.once else None
    clusterer = CLUSTERING.build("one_per_source" if tables.once else "average_linkage")
    labels = clusterer.cluster(count, pairs[strong] + [0, shift], probability[strong], source)
    same = np.argwhere(labels[: rows[0], None] == labels[None, shift:])
    return same if tables.once else same[same[:, 0] < same[:, 1]]


def recall(tables: Tables, pairs: np.ndarray) -> float:
    return round(float(np.isin(tables.flat(tables.matches), tables.flat(pairs)).mean()), 4)


def of_test(split: Split, found: np.ndarray) -> dict[str, float]:
    truth = split.truth["test"] == 1
    return f1(np.flatnonzero(found), np.flatnonzero(truth))


def f1(found: np.ndarray, true: np.ndarray) -> dict[str, float]:
    hits = np.intersect1d(found, true).size
    return {
        "precision": round(hits / max(len(found), 1), 4),
        "recall": round(hits / len(true), 4),
        "f1": round(2 * hits / (len(found) + len(true)), 4),
    }


def line(protocol: str, tables: Tables, pairs: np.ndarray, cost: Cost, what: str, **scores: Any) -> None:
    if what == "comparisons":
        scores["core_seconds_per_million"] = round(cost.cpu_seconds / len(pairs) * 1e6, 2)
    report(f"{protocol}, {tables.name}, {what}", len(pairs), cost, **scores)


if __name__ == "__main__":
    main()
