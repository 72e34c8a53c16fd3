"""Rows of tables matched by two protocols, which are different tasks; through the code that training uses.

- ``whole_tables``: all records, no labels, pairs after clustering, what blocking lost included.
- ``splits``: the field's given pairs, judged on those of ``test.csv``. Without labels nothing of any label of
  the set is used, thresholds included; with the pairs of ``train.csv`` trees learn from them, and the
  threshold is chosen on ``valid.csv``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xmer_spark import clustering
from xmer_spark.config import BenchmarkTables
from xmer_spark.resolver.model import Slack
from xmer_spark.scoring.scorer import PairScorer
from xmer_spark.scoring.thresholds import best_threshold
from xmer_spark.steps.benchmark.process import Meter
from xmer_spark.steps.benchmark.tables import Tables, read, tables
from xmer_spark.steps.train import trainer
from xmer_spark.steps.train.deciding import learnt, rivals
from xmer_spark.steps.train.pairs import Candidates, candidates
from xmer_spark.steps.train.seen import Seen

WHOLE, SPLITS = "whole_tables", "splits"
NO_LABELS, TRAINING_PAIRS = "no_labels", "training_pairs"
#: A pair is a match from here on where no label tells better.
_MATCH = 0.5


@dataclass(frozen=True)
class Scored:
    """The measures of one method by one protocol, and what fitting and deciding took."""

    setting: str
    method: str
    values: dict[str, float]
    seconds: float
    peak_memory: int


def measure(settings: BenchmarkTables) -> list[Scored]:
    """Every method on one set, by the protocol that its files are for."""
    return of_splits(settings) if settings.splits else [of_whole_tables(settings)]


def of_whole_tables(settings: BenchmarkTables) -> Scored:
    with Meter() as meter:
        found = tables(settings)
        pairs, scorer, slack = _without_labels(found)
        linked = _clustered(found, pairs, _decided(found, pairs, scorer, slack))
    true = found.true_pairs(settings.truth, settings.separator)
    values = _values(found.flat(linked), found.flat(true))
    return Scored(WHOLE, NO_LABELS, values, meter.seconds, meter.bytes)


def of_splits(settings: BenchmarkTables) -> list[Scored]:
    paths = {part: Path(settings.splits) / f"{part}.csv" for part in ("train", "valid", "test")}
    parts = {part: read(path, settings.separator) for part, path in paths.items()}
    truth = {part: table["label"].to_numpy() == "1" for part, table in parts.items()}
    with Meter() as unlabelled:
        found = tables(settings)
        rows = {part: found.rows(parts[part][["ltable_id", "rtable_id"]], paths[part]) for part in parts}
        pairs, scorer, slack = _without_labels(found)
        linked = _of(found, pairs, rows["test"], scorer, slack) >= _MATCH
    without = _values(np.flatnonzero(linked), np.flatnonzero(truth["test"]))
    with Meter() as taught:
        evidence = _given(pairs, rows["train"]).evidence()
        scorer = PairScorer("boosted").fit(evidence, pairs.seen.comparer.names, truth["train"])
        valid = _of(found, pairs, rows["valid"], scorer)
        least = best_threshold(valid, truth["valid"].astype(float), np.ones(len(valid)))
        linked = _of(found, pairs, rows["test"], scorer) >= least
    taught_values = _values(np.flatnonzero(linked), np.flatnonzero(truth["test"]))
    return [
        Scored(SPLITS, NO_LABELS, without, unlabelled.seconds, unlabelled.bytes),
        Scored(SPLITS, TRAINING_PAIRS, taught_values, taught.seconds, taught.bytes),
    ]


def _without_labels(found: Tables) -> tuple[Candidates, PairScorer, Slack]:
    """The candidate pairs and the scorer of a resolver that was trained without labels."""
    resolver = trainer.train(found.config, found.data).resolver
    seen = Seen(found.data.known, resolver.comparer)
    left, right = (seen.tables[name] for name in found.pair)
    # What counts tokens does so in every run.
    blockers = {found.pair: [each.fit(left, right) for each in resolver.blockers[found.pair]]}
    (pairs,) = candidates(seen, blockers, found.data.sources)
    return pairs, resolver.scorer, resolver.slack


def _given(pairs: Candidates, rows: np.ndarray) -> Candidates:
    """Pairs that are given, of the same records as these candidates."""
    return Candidates(pairs.sources, pairs.seen, rows[:, 0], rows[:, 1])


def _of(
    found: Tables, pairs: Candidates, rows: np.ndarray, scorer: PairScorer, slack: Slack | None = None
) -> np.ndarray:
    """The probabilities of given pairs (p, 2) beside their rivals among these and the candidates: (p)."""
    both = np.concatenate([_rows(pairs), rows])
    number, first = np.unique(found.flat(both), return_index=True)
    decided = _decided(found, _given(pairs, both[first]), scorer, slack)
    return decided[np.searchsorted(number, found.flat(rows))]


def _decided(found: Tables, pairs: Candidates, scorer: PairScorer, slack: Slack | None = None) -> np.ndarray:
    """The probability of each pair beside its rivals (p); 0 of one that is too improbable to be weighed."""
    weighed = rivals([pairs], scorer, found.data.sources.alone, found.config.scoring.rival_threshold)
    number, kept = (found.flat(_rows(each)) for each in (pairs, weighed[0].pairs))
    order = np.argsort(number)
    decided = np.zeros(len(pairs))
    decided[order[np.searchsorted(number, kept, sorter=order)]] = weighed[0].decided(
        learnt(weighed) if slack is None else slack
    )
    return decided


def _rows(pairs: Candidates) -> np.ndarray:
    return np.stack([pairs.i, pairs.j], axis=1)


def _clustered(found: Tables, pairs: Candidates, decided: np.ndarray) -> np.ndarray:
    """The pairs (p, 2) of rows that are in one cluster."""
    first, second = (len(found.keys[name]) for name in found.pair)
    shift = 0 if found.deduplicates else first
    count = first if found.deduplicates else first + second
    source = None if found.deduplicates else (np.arange(count) >= first).astype(np.int64)
    links = decided >= _MATCH
    edges = np.stack([pairs.i[links], pairs.j[links] + shift], axis=1)
    clusterer = clustering.built("auto", {}, once=not found.deduplicates)
    labels = clusterer.cluster(count, edges, decided[links], source)
    same = np.argwhere(labels[:first, None] == labels[None, shift:])
    return same[same[:, 0] < same[:, 1]] if found.deduplicates else same


def _values(found: np.ndarray, true: np.ndarray) -> dict[str, float]:
    hits = len(np.intersect1d(found, true))
    return {
        "pair_precision": hits / max(len(found), 1),
        "pair_recall": hits / max(len(true), 1),
        "pair_f1": 2 * hits / max(len(found) + len(true), 1),
    }
