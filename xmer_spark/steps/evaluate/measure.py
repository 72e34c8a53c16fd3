"""What evaluate measures on held-out entities: ranking, clusters, probabilities and blocking.

Everything here is small: the held-out items, at most ``evaluation.max_items`` of them, and the
pairs that touch them. Pairs between a held-out item and any other count: what was resolved
wrongly with an item that was trained on is wrong too.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Any

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.evaluation import bcubed, blocking, bootstrap, calibration, curves, pairs, ranking
from xmer_spark.names import ALL, direction_name, direction_of, metric_name, pair_name, recall_at
from xmer_spark.resolver.model import Resolver

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame

    from xmer_spark.config import Evaluation
    from xmer_spark.store.runs import Job


@dataclass
class HeldOut:
    """The held-out items with their embeddings and codes, aligned with the rows of ``items``."""

    items: pd.DataFrame
    embeddings: np.ndarray
    codes: np.ndarray

    def where(self, rows: np.ndarray) -> HeldOut:
        return HeldOut(self.items[rows], self.embeddings[rows], self.codes[rows])

    def by_source(self) -> dict[str, HeldOut]:
        names = self.items["source"].to_numpy()
        return {name: self.where(names == name) for name in sorted(set(names))}


def held_out(job: Job) -> HeldOut:
    """The embedded items of the test split; of too many, those whose entities hash lowest."""
    from pyspark.sql import functions as F

    limit = job.context.config.evaluation.max_items
    items = job.read("items").where("split = 'test' AND entity IS NOT NULL")
    columns = items.select("item_key", "item_id", "source", "modality", "entity", "label", "record_id")
    drawn = columns.withColumn("draw", F.xxhash64("entity")).orderBy("draw", "item_key").limit(limit)
    embedded = job.read("embeddings").select("item_key", "embedding", "code")
    frame = drawn.join(embedded, "item_key").toPandas().sort_values("item_key", ignore_index=True)
    if not len(frame):
        raise XmerError(
            "evaluate: no held-out item has an embedding; see ingest.split and the sources' split"
        )
    total = items.count()
    job.counts |= {"held_out_items": len(frame), "left_out_of_evaluation": total - len(frame)}
    embeddings = np.array(frame.pop("embedding").tolist(), dtype=np.float32)
    codes = np.array(frame.pop("code").tolist(), dtype=np.int64).view(np.uint64)
    return HeldOut(frame.drop(columns="draw"), embeddings, codes)


def measure_ranking(job: Job, resolver: Resolver, known: HeldOut) -> None:
    """Recall@K and MAP of every source's items as queries against every other source as gallery."""
    settings = job.context.config.evaluation
    truth = "label" if settings.task == "class" else "entity"
    sources = known.by_source()
    for query, gallery in ((a, b) for a in sources for b in sources if a != b):
        a, b = sources[query], sources[gallery]
        modalities = a.items["modality"].iloc[0], b.items["modality"].iloc[0]
        if pair_name(*modalities) not in resolver.scorer.coefficients_:
            continue
        ranked = ranking.rank(
            _similarity(resolver, modalities, a.embeddings, b.embeddings),
            a.items[truth].to_numpy(),
            b.items[truth].to_numpy(),
            recall_at=settings.recall_at,
        )
        if not len(ranked.query):
            continue
        values = np.column_stack([ranked.average_precision, *ranked.recall.values()])
        statistics = bootstrap.mean_statistics(values, a.items["entity"].to_numpy()[ranked.query])
        names = ["map", *(recall_at(k) for k in ranked.recall)]
        direction = direction_name(query, gallery)
        sizes = {"queries": len(ranked.query), "gallery": len(b.items)}
        _measure(job, names, direction, statistics, bootstrap.means, **sizes)
        _measure_confusion(job, direction, a, b, ranked)
        plain = ranking.rank(
            ranking.inner_product(a.embeddings, b.embeddings),
            a.items[truth].to_numpy(),
            b.items[truth].to_numpy(),
        )
        # What the common space is worth by itself: the pair scorer ranks by more than this.
        job.measure(metric_name("map_of_space", direction), float(plain.average_precision.mean()))


def _similarity(
    resolver: Resolver, modalities: tuple[str, str], queries: np.ndarray, gallery: np.ndarray
) -> ranking.Similarity:
    """How alike a block of queries and the whole gallery are to the pair scorer."""

    def similarity(rows: np.ndarray) -> np.ndarray:
        scores: np.ndarray = resolver.scorer.similarity(modalities[0], queries[rows], modalities[1], gallery)
        return scores

    return similarity


def _measure_confusion(job: Job, direction: str, a: HeldOut, b: HeldOut, ranked: ranking.Ranking) -> None:
    """The class of each query against that of its first result, as a matrix in the metric's detail."""
    labels = a.items["label"].to_numpy()[ranked.query], b.items["label"].to_numpy()[ranked.first]
    if any(value is None for column in labels for value in column):
        return
    classes = sorted(set(labels[0]) | set(labels[1]))
    counts = ranking.confusion_matrix(*labels, classes)
    job.measure(
        metric_name("first_result_class_accuracy", direction),
        np.trace(counts) / counts.sum(),
        classes=classes,
        counts=counts.tolist(),
    )


def measure_clusters(job: Job, known: HeldOut) -> None:
    """Precision, recall and F1 over pairs, in all and by modality pair, and B-cubed."""
    resolved = _resolved(job, known)
    touched = resolved["held_out"].to_numpy()
    clusters, entities = resolved["entity_id"].to_numpy(), resolved["entity"].to_numpy()
    records = resolved["record_id"].to_numpy()
    modality = resolved["modality"].to_numpy()

    def statistics(rows: np.ndarray, left: np.ndarray | None = None) -> np.ndarray:
        c, e, r = clusters[rows], entities[rows], records[rows]
        if left is None:
            return pairs.pair_statistics(c, e, r)
        return pairs.cross_pair_statistics(c, e, left[rows], r)

    names = ["pair_precision", "pair_recall", "pair_f1"]
    everything = np.ones(len(resolved), dtype=bool)
    _measure(job, names, ALL, _touching(statistics, everything, touched, entities), pairs.pair_measures)
    for a, b in combinations_with_replacement(sorted(set(modality)), 2):
        rows = (modality == a) | (modality == b)
        left = None if a == b else modality == a
        found = _touching(statistics, rows, touched, entities, left)
        if found[:, 2].sum():
            _measure(job, names, pair_name(a, b), found, pairs.pair_measures)
    own = np.isin(np.unique(entities), entities[touched])
    statistics_of_own = bcubed.bcubed_statistics(clusters, entities)[own]
    names = ["bcubed_precision", "bcubed_recall", "bcubed_f1"]
    _measure(job, names, ALL, statistics_of_own, bcubed.bcubed_measures)


def _touching(
    statistics: Any,
    rows: np.ndarray,
    touched: np.ndarray,
    entities: np.ndarray,
    left: np.ndarray | None = None,
) -> np.ndarray:
    """Pair statistics by entity over the pairs with a held-out item: all pairs less those without one."""
    codes = np.unique(entities, return_inverse=True)[1]
    size = codes.max() + 1

    def spread(chosen: np.ndarray) -> np.ndarray:
        full = np.zeros((size, 3))
        if chosen.any():
            full[np.unique(codes[chosen])] = statistics(chosen, left)
        return full

    total = spread(rows) - spread(rows & ~touched)
    return total[total.any(axis=1)]


def _resolved(job: Job, known: HeldOut) -> pd.DataFrame:
    """The held-out items and all that were resolved into one entity with them, with their truth.

    An item whose truth is unknown is an entity of its own here: resolving something with it is
    counted as wrong.
    """
    from pyspark.sql import functions as F

    members = job.read("members").select("item_id", "entity_id")
    items = job.read("items").select("item_id", "entity", "modality", "record_id")
    mine = _frame(job, known, ["item_id"]).withColumn("held_out", F.lit(True))
    touched = members.join(mine, "item_id").select("entity_id").distinct()
    found = members.join(touched, "entity_id").join(items, "item_id").join(mine, "item_id", "left")
    return (
        found.withColumn("entity", F.coalesce("entity", F.concat(F.lit("?"), "item_id")))
        .withColumn("held_out", F.coalesce("held_out", F.lit(False)))
        .orderBy("item_id")
        .toPandas()
    )


def measure_probabilities(job: Job, resolver: Resolver, known: HeldOut) -> None:
    """Calibration, precision-recall curves and score distributions of the scored pairs, by modality pair."""
    scored = _scored(job, known)
    modality = known.items["modality"].to_numpy()
    for a, b in combinations_with_replacement(sorted(set(modality)), 2):
        name = pair_name(a, b)
        if name not in resolver.blockers:
            continue
        here = scored[scored["pair"] == name]
        job.measure(metric_name("threshold", name), resolver.scorer.threshold(a, b))
        probability, right = here["probability"].to_numpy(), here["right"].to_numpy()
        true = _true_pairs(job, known, a, b)
        missed = len(true[0]) - int(right.sum())
        curve = curves.precision_recall_curve(probability, right, missed)
        thinned = curve.thinned()
        job.measure(
            metric_name("average_precision", name),
            curve.average_precision,
            threshold=thinned.threshold.tolist(),
            precision=thinned.precision.tolist(),
            recall=thinned.recall.tolist(),
        )
        if not len(here):
            continue
        error = calibration.reliability(probability, right).expected_calibration_error
        # Bins of equal width for the eye: most pairs are improbable, and equal masses would hide the rest.
        bins = calibration.reliability(
            probability, right, equal="width", level=job.context.config.evaluation.level
        )
        job.measure(
            metric_name("calibration_error", name),
            error,
            probability=bins.probability.tolist(),
            observed=bins.observed.tolist(),
            interval=[bins.low.tolist(), bins.high.tolist()],
            count=bins.count.tolist(),
        )
        job.measure(metric_name("brier", name), calibration.brier(probability, right))
        edges = np.linspace(0, 1, 41)
        job.measure(
            metric_name("scored_pairs", name),
            len(here),
            edges=edges.tolist(),
            right=np.histogram(probability[right], edges)[0].tolist(),
            wrong=np.histogram(probability[~right], edges)[0].tolist(),
        )


def _scored(job: Job, known: HeldOut) -> pd.DataFrame:
    """The scored pairs with a held-out item: probability, modality pair, and whether it is right."""
    from pyspark.sql import functions as F

    items = job.read("items")
    mine = _frame(job, known, ["item_key"]).withColumn("held_out", F.lit(True))
    sides = []
    for side in ("left", "right"):
        columns = [F.col(c).alias(f"{side}_{c}") for c in ("item_key", "entity", "modality", "held_out")]
        sides.append(items.join(mine, "item_key", "left").select(*columns))
    pair = F.concat_ws("-", F.array_sort(F.array("left_modality", "right_modality")))
    return (
        job.read("matches")
        .join(sides[0], F.col("left_key") == F.col("left_item_key"))
        .join(sides[1], F.col("right_key") == F.col("right_item_key"))
        .where("left_held_out OR right_held_out")
        .select(
            F.col("probability").cast("double").alias("probability"),
            pair.alias("pair"),
            F.coalesce(F.col("left_entity") == F.col("right_entity"), F.lit(False)).alias("right"),
        )
        .orderBy("pair", "probability", "right")
        .toPandas()
    )


def measure_blocking(job: Job, resolver: Resolver, known: HeldOut, facts: dict[str, Any]) -> None:
    """The share of true pairs that became candidates, and of comparisons spared, by modality pair."""
    config = job.context.config
    modality = {source.name: source.modality for source in config.source}
    sizes = {row["source"]: row["count"] for row in job.read("items").groupBy("source").count().collect()}
    for a, b in combinations_with_replacement(sorted(set(modality.values())), 2):
        name = pair_name(a, b)
        counted = {direction_of(k): v for k, v in facts.items()}
        mine = {k: v for k, v in counted.items() if pair_name(modality[k[0]], modality[k[1]]) == name}
        if not mine:
            continue
        i, j = _true_pairs(job, known, a, b)
        if len(i):
            found = resolver.blockers[name].hits(known.codes[i], known.codes[j])
            recall = blocking.blocking_recall(int(found.sum()), len(found), config.evaluation.level)
            job.measure(metric_name("blocking_recall", name), *recall, pairs=len(found))
        possible = sum(
            sizes.get(x, 0) * sizes.get(y, 0) if x != y else sizes.get(x, 0) * (sizes.get(x, 0) - 1) // 2
            for x, y in mine
        )
        ratio = blocking.reduction_ratio(sum(mine.values()), possible)
        job.measure(
            metric_name("blocking_reduction", name), ratio, candidates=sum(mine.values()), possible=possible
        )


def _true_pairs(job: Job, known: HeldOut, a: str, b: str) -> tuple[np.ndarray, np.ndarray]:
    """Row pairs of one entity and two records, of these modalities, between sources that are compared."""
    alone = {source.name for source in job.context.config.source if source.one_per_entity}
    frame = known.items.reset_index(drop=True).reset_index(names="row")
    sides = frame[frame["modality"] == a], frame[frame["modality"] == b]
    both = sides[0].merge(sides[1], on="entity", suffixes=("_a", "_b"))
    keep = both["record_id_a"] != both["record_id_b"]
    keep &= ~((both["source_a"] == both["source_b"]) & both["source_a"].isin(alone))
    if a == b:
        keep &= both["row_a"] < both["row_b"]
    return both.loc[keep, "row_a"].to_numpy(), both.loc[keep, "row_b"].to_numpy()


def _frame(job: Job, known: HeldOut, columns: list[str]) -> DataFrame:
    return job.context.spark.createDataFrame(known.items[columns])


def _measure(
    job: Job, names: list[str], about: str, statistics: np.ndarray, measure: bootstrap.Measure, **detail: Any
) -> None:
    """Several measures of one set of statistics, with their bootstrap intervals over entities."""
    settings: Evaluation = job.context.config.evaluation
    estimates = bootstrap.bootstrap(
        statistics, measure, samples=settings.bootstrap, level=settings.level, seed=job.context.config.seed
    )
    for name, estimate in zip(names, estimates, strict=True):
        job.measure(metric_name(name, about), *estimate, **detail)
