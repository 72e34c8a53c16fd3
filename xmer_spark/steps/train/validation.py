"""What validation records decide: calibration, slack, threshold, and how good a resolver is.

The resolver that is asked has not seen these records.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.evaluation import ranking
from xmer_spark.evaluation.curves import precision_recall_curve
from xmer_spark.names import metric_name
from xmer_spark.numerics.compared import equal_pairs
from xmer_spark.numerics.evidence import pair_kind, pair_kind_name
from xmer_spark.resolver.model import Resolver
from xmer_spark.steps.train import deciding, partition
from xmer_spark.steps.train.data import TrainingData
from xmer_spark.steps.train.items import Known, Sources
from xmer_spark.steps.train.pairs import Candidates
from xmer_spark.steps.train.samples import NEGATIVES, Sample, sample, together
from xmer_spark.steps.train.seen import Seen

if TYPE_CHECKING:
    from xmer_spark.config import Config


def calibrate(
    config: Config,
    resolver: Resolver,
    known: Mapping[str, Known],
    found: Sequence[Candidates],
    data: TrainingData,
) -> dict[str, float]:
    """Fit the scorer's calibration, choose slack, correction and threshold; gives what was measured.

    ``found`` are the candidate pairs of all known records.
    """
    samples = _samples(config, found, data)
    if not samples:
        return {}
    part = together(samples)
    scorer = resolver.scorer.calibrate(part.evidence, part.truth, part.weight)
    probability = scorer.probability(part.evidence)
    weighed = deciding.rivals(found, scorer, data.sources.alone, config.scoring.rival_threshold)
    expected = {}
    if config.evaluation.task == "entity":  # classes are ranked, and nothing is put together
        choice = partition.best(config, known, data.sources, weighed)
        resolver.slack = {rivals.name: choice.slack for rivals in weighed}
        resolver.threshold, resolver.correction = choice.threshold, choice.correction
        measured = (f"validation_{config.clustering.goal}", choice.worth), ("slack", choice.slack)
        expected = dict(measured) | {"match_threshold": choice.threshold}
    for kind in scorer.calibration:
        rows = part.evidence.kind == kind
        share = float(probability[rows] @ part.weight[rows] / (part.truth[rows] @ part.weight[rows]))
        expected[metric_name("expected_matches", pair_kind_name(kind))] = share
    return expected


def held_out_precision(
    config: Config, resolver: Resolver, seen: Seen, found: Sequence[Candidates], sources: Sources
) -> dict[tuple[str, str], float]:
    """Average precision on the validation records of ``seen``, of which ``found`` are all candidate pairs."""
    held_out = seen.where({name: known.validation for name, known in seen.known.items()})
    within = [pairs.where(pairs.of_validation(both=True)) for pairs in found if len(set(pairs.sources)) == 1]
    measured = average_precision(config, resolver, held_out, within, sources)
    if not measured:
        raise XmerError(
            "train: no two validation records are of one thing; see ingest.split and the sources' split"
        )
    return measured


def average_precision(
    config: Config, resolver: Resolver, seen: Seen, within: Iterable[Candidates], sources: Sources
) -> dict[tuple[str, str], float]:
    """How well a resolver tells pairs of two sources, by their names, on the records of ``seen``.

    Mean average precision of the first source's records as queries against the second one's as gallery, and
    the other way round. Of a source with itself, average precision over its candidate pairs, ``within``. A
    direction in which there is nothing to be found, or whose kinds of records the scorer cannot compare, is
    left out.
    """
    truth = "label" if config.evaluation.task == "class" else "entity"
    found: dict[tuple[str, str], float] = {}
    for a, b in sources.pairs:
        if a == b or a not in seen.known or b not in seen.known:
            continue
        for query, gallery in ((a, b), (b, a)):
            ranked = _ranked(resolver, seen.known[query], seen.known[gallery], truth)
            if ranked is not None and len(ranked.query):
                found[query, gallery] = float(ranked.average_precision.mean())
    for pairs in within:
        if (value := _within(resolver, seen.known[pairs.sources[0]], pairs)) is not None:
            found[pairs.sources] = value
    return found


def _ranked(resolver: Resolver, query: Known, gallery: Known, truth: str) -> ranking.Ranking | None:
    """The records of one source ranked for each record of the other; None where nothing can be compared."""
    kinds = (np.unique(resolver.comparer.kinds(each.records)) for each in (query, gallery))
    a, b = np.meshgrid(*kinds)
    if not np.isin(pair_kind(a, b), resolver.scorer.kinds).any():
        return None
    similarity = resolver.similarities(query.records, gallery.records)
    return ranking.rank(similarity, getattr(query, truth), getattr(gallery, truth))


def _within(resolver: Resolver, known: Known, pairs: Candidates) -> float | None:
    """Average precision over a source's candidate pairs, missed ones among its known records included."""
    i, j = equal_pairs(known.entity, known.entity)
    true = int((i < j).sum())
    if not true:
        return None
    right = pairs.truth(by_class=False)
    probability = resolver.scorer.probability(pairs.evidence())
    curve = precision_recall_curve(probability, right, true - int(right.sum()))
    return curve.average_precision


def _samples(config: Config, found: Sequence[Candidates], data: TrainingData) -> list[Sample]:
    """Of the candidate pairs with a validation record all matches and some of the rest, weighted."""
    most = max(NEGATIVES // max(len(found), 1), 1)
    by_class = config.evaluation.task == "class"
    parts = []
    for pairs in found:
        pairs = pairs.where(pairs.of_validation())
        if len(pairs):
            parts.append(sample(pairs, pairs.truth(by_class), most, config.seed, data))
    return parts
