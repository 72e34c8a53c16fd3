"""Fits a resolver on training items so that its probabilities do not flatter.

The space is fitted on the training entities. The pair scorer learns from pairs that such a
space has not seen: training entities are cross-fitted, a fold at a time, through the same
blocking. Calibration, thresholds and the validation score come from validation entities, and last the
space is fitted again on both; scorer, calibration and thresholds stay.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Any

import numpy as np

from xmer_spark import hashing, scoring, spaces
from xmer_spark.blocking.planner import Population
from xmer_spark.errors import XmerError
from xmer_spark.evaluation import ranking
from xmer_spark.resolver.model import Resolver
from xmer_spark.schema import pair_name
from xmer_spark.scoring.scorer import PairSample, join_samples
from xmer_spark.steps.train import planning

if TYPE_CHECKING:
    from xmer_spark.config import Config

log = logging.getLogger(__name__)

#: Items a modality whose codes the planner sees.
_PLANNED = 700
#: Non-matching pairs a modality pair and fold that the scorer learns from; each stands for several.
_NEGATIVES = 200_000


@dataclass(frozen=True)
class ItemTable:
    """The labelled items of one modality: joined vectors (n, d) and, aligned with them, what is known.

    ``entity``, ``label`` and ``source`` are numbers, label -1 where unknown; ``validation`` marks the split.
    """

    keys: np.ndarray
    vectors: np.ndarray
    entity: np.ndarray
    label: np.ndarray
    source: np.ndarray
    validation: np.ndarray

    def where(self, rows: np.ndarray) -> ItemTable:
        return ItemTable(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


Items = Mapping[str, ItemTable]


@dataclass(frozen=True)
class Trained:
    """A fitted resolver with what was measured on the way."""

    resolver: Resolver
    score: float
    metrics: dict[str, float]
    curves: dict[str, list[float]]


class Trainer:
    """Fits resolvers for one configuration.

    ``widths`` maps modality to extractor name to number of columns; ``population`` is the number of
    items of each source that will be resolved, known or not, beside ``sampled`` of it here.
    """

    def __init__(
        self,
        config: Config,
        extractors: Mapping[str, Mapping[str, int]],
        source_names: list[str],
        population: Mapping[str, int],
    ) -> None:
        self.config = config
        self.widths = {m: {i.split("-v")[0]: w for i, w in found.items()} for m, found in extractors.items()}
        self.extractors = {m: list(found) for m, found in extractors.items()}
        self.source_names = source_names
        self.population = population
        alone = {source.name: source.one_per_entity for source in config.source}
        self.alone = np.array([alone[name] for name in source_names])
        self.modality = {source.name: source.modality for source in config.source}
        self.by_class = config.evaluation.task == "class"
        pairs = config.blocking.pairs or [
            pair_name(a, b) for a, b in combinations_with_replacement(self.widths, 2)
        ]
        self.plans = {pair: planning.configured(config.blocking, pair) for pair in pairs}

    def train(self, items: Items) -> Trained:
        """Cross-fit, validate, and fit on everything."""
        train = {m: table.where(~table.validation) for m, table in items.items()}
        first = self._fit(train)
        self._decide_plans(first, items)
        scorer = self._fit_pairs(train)
        unknown = sorted(set(self.plans) - set(scorer.coefficients_))
        if unknown:
            log.warning("no labelled matches among %s: these will not be compared", ", ".join(unknown))
        first = self._completed(first, train, scorer)
        metrics, score = self._validate(first, items)
        for pair, plan in self.plans.items():
            if plan.pairs is not None and plan.recall is not None:
                metrics |= {f"planned_pairs/{pair}": plan.pairs, f"planned_recall/{pair}": plan.recall}
        final = self._completed(self._fit(items), items, first.scorer)
        curves = {
            f"space_{name.rstrip('_')}": np.asarray(values, dtype=float).ravel().tolist()
            for name, values in final.space.state().items()
            if name in ("correlations_", "losses_", "validation_losses_")
        }
        return Trained(final, score, metrics, curves)

    def _fit(self, items: Items) -> Resolver:
        """Everything that is fitted on items; what is learnt of pairs comes after."""
        config = self.config
        blocks = spaces.PREPARATION.build(
            "blocks", {"widths": self.widths, **config.space.parameters.get("blocks", {})}
        )
        blocks.fit({m: t.vectors for m, t in items.items()})
        views = {m: blocks.transform(m, t.vectors) for m, t in items.items()}
        labels = {m: t.label for m, t in items.items()}
        space = spaces.REGISTRY.build(config.space.method, config.space.parameters.get(config.space.method))
        pairs = true_pairs(items)
        space.fit(views, labels, pairs)
        embedded = {m: space.transform(m, x) for m, x in views.items()}
        method = config.hashing.method
        hasher = hashing.REGISTRY.build(
            method,
            {"bits": config.hashing.bits, "seed": config.seed, **config.hashing.parameters.get(method, {})},
        )
        hasher.fit(embedded, labels, pairs)
        codes = {m: hasher.codes(m, x) for m, x in embedded.items()}
        return Resolver(
            self.extractors,
            blocks,
            space,
            hasher,
            self._scorer(embedded, labels),
            self._blockers(codes),
            {},
        )

    def _completed(self, resolver: Resolver, items: Items, scorer: Any) -> Resolver:
        """With what ``scorer`` has learnt of pairs, and the blockers of the pairs that it can score."""
        resolver.scorer.take_pairs(scorer)
        codes = {m: resolver.hasher.codes(m, resolver.embed(m, t.vectors)) for m, t in items.items()}
        blockers = {
            pair: blocker for pair, blocker in self._blockers(codes).items() if pair in scorer.coefficients_
        }
        plans = {pair: self.plans[pair].document() for pair in blockers}
        return replace(resolver, blockers=blockers, plans=plans)

    def _scorer(self, embedded: Mapping[str, np.ndarray], labels: Mapping[str, np.ndarray]) -> Any:
        settings = self.config.scoring
        scorer = scoring.REGISTRY.build(
            "logistic",
            {"neighbours": settings.neighbours, "reference": settings.reference, "seed": self.config.seed},
        )
        return scorer.fit_items(embedded, labels)

    def _blockers(self, codes: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """The blocker of each modality pair that has one yet."""
        return {
            pair: plan.build().fit(*(codes[modality] for modality in pair.split("-")))
            for pair, plan in self.plans.items()
            if not plan.is_open
        }

    def _decide_plans(self, resolver: Resolver, items: Items) -> None:
        """Let the planner choose the blockers that the configuration leaves to it, on validation items.

        ``resolver`` has not seen these.
        """
        embedded = {m: resolver.embed(m, t.vectors) for m, t in items.items()}
        codes = {m: resolver.hasher.codes(m, x) for m, x in embedded.items()}
        for pair, plan in self.plans.items():
            if plan.is_open:
                a, b = pair.split("-")
                item_bytes = 8 + codes[a][:1].nbytes + embedded[a][:1].nbytes
                population = self._population(a, b, items, codes, item_bytes)
                possible = self._possible(a, b)
                self.plans[pair] = planning.decide(pair, population, self.config.blocking, possible)

    def _population(
        self, a: str, b: str, items: Items, codes: Mapping[str, np.ndarray], item_bytes: int
    ) -> Population:
        """What the planner knows of a pair of modalities: sizes, samples, true pairs of validation items."""
        i, j = true_pairs(items).get((a, b), np.empty((0, 2), np.int64)).T
        known = items[a].validation[i] & self._compared(items[a], items[b], i, j)
        random = np.random.default_rng(self.config.seed)
        left, right = (codes[m][random.permutation(len(codes[m]))[:_PLANNED]] for m in (a, b))
        if a == b:
            right = left
        sizes = {
            m: sum(self.population[name] for name in self.source_names if self.modality[name] == m)
            for m in (a, b)
        }
        return Population(
            left,
            right,
            left_size=sizes[a],
            right_size=sizes[b],
            true_left=codes[a][i[known]],
            true_right=codes[b][j[known]],
            item_bytes=item_bytes,
            within=a == b,
        )

    def _possible(self, a: str, b: str) -> float:
        """How many pairs of items of these modalities have sources that are compared."""
        alone = dict(zip(self.source_names, self.alone, strict=True))
        total = 0.0
        for x, y in combinations_with_replacement(self.source_names, 2):
            if pair_name(self.modality[x], self.modality[y]) == pair_name(a, b) and not (x == y and alone[x]):
                n, m = self.population[x], self.population[y]
                total += n * (n - 1) / 2 if x == y else n * m
        return total

    def _compared(self, left: ItemTable, right: ItemTable, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        """Whether pairs are of sources that are compared: not of one that holds each thing once."""
        return (left.source[i] != right.source[j]) | ~self.alone[left.source[i]]

    def _fit_pairs(self, train: Items) -> Any:
        """The pair-level scorer, from pairs with a side in a fold that the space has not seen."""
        samples: dict[tuple[str, str], list[PairSample]] = {}
        scorer: Any = None
        for fold, inside in enumerate(self._folds(train)):
            log.info("training: fold %d of %d", fold + 1, self.config.train.folds)
            fitted = self._fit({m: t.where(~inside[m]) for m, t in train.items()})
            for modalities, sample in self._samples(fitted, train, inside):
                samples.setdefault(modalities, []).append(sample)
            scorer = fitted.scorer
        if not samples:
            raise XmerError(
                "train: no two sources have candidate pairs; see [blocking] and the items' splits"
            )
        return scorer.fit_pairs({m: join_samples(found) for m, found in samples.items()})

    def _folds(self, items: Items) -> Iterator[dict[str, np.ndarray]]:
        """Masks of the items of one fold of entities, by modality."""
        entities = np.unique(np.concatenate([t.entity for t in items.values()]))
        folds = np.random.default_rng(self.config.seed).permutation(len(entities)) % self.config.train.folds
        for fold in range(self.config.train.folds):
            chosen = entities[folds == fold]
            yield {m: np.isin(t.entity, chosen) for m, t in items.items()}

    def _samples(
        self, resolver: Resolver, items: Items, wanted: Mapping[str, np.ndarray]
    ) -> Iterator[tuple[tuple[str, str], PairSample]]:
        """Candidate pairs with at least one wanted side, their evidence and truth, by modality pair."""
        for (a, b), i, j, evidence in self._candidates(resolver, items):
            keep = wanted[a][i] | wanted[b][j]
            truth = self._truth(items[a], items[b], i[keep], j[keep])
            i, j, truth, weight = self._thin(items[a], items[b], i[keep], j[keep], truth)
            if truth.any():
                yield (a, b), PairSample(evidence(i, j), truth, weight)

    def _candidates(
        self, resolver: Resolver, items: Items
    ) -> Iterator[tuple[tuple[str, str], np.ndarray, np.ndarray, Callable[..., Any]]]:
        """The candidate pairs of every two modalities as row numbers, and what works out their evidence."""
        embedded = {m: resolver.embed(m, t.vectors) for m, t in items.items()}
        codes = {m: resolver.hasher.codes(m, x) for m, x in embedded.items()}
        prepared = {m: resolver.scorer.prepare(m, x) for m, x in embedded.items()}
        for a, b in combinations_with_replacement(sorted(items), 2):
            if pair_name(a, b) not in resolver.blockers:
                continue
            i, j = resolver.blockers[pair_name(a, b)].pairs(codes[a], codes[b])
            keep = self._compared(items[a], items[b], i, j)
            if a == b:
                keep &= i < j
            evidence = partial(resolver.scorer.evidence, (a, b), prepared[a], prepared[b])
            yield (a, b), i[keep], j[keep], evidence

    def _truth(self, left: ItemTable, right: ItemTable, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        if self.by_class:
            return (left.label[i] == right.label[j]) & (left.label[i] >= 0)
        return left.entity[i] == right.entity[j]

    def _thin(
        self, left: ItemTable, right: ItemTable, i: np.ndarray, j: np.ndarray, truth: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Keep all matches and a bounded sample of the rest, weighted up to the population.

        An item has about as many matches in a large population as in a sample, but the more
        non-matches: they grow with the number of items that it is compared with.
        """
        others = np.flatnonzero(~truth)
        share = min(1.0, _NEGATIVES / max(len(others), 1))
        if share < 1:
            others = np.sort(np.random.default_rng(self.config.seed).permutation(others)[:_NEGATIVES])
        rows = np.concatenate([np.flatnonzero(truth), others])
        weight = np.where(truth[rows], 1.0, self._growth(right)[right.source[j[rows]]] / share)
        return i[rows], j[rows], truth[rows], weight

    def _growth(self, table: ItemTable) -> np.ndarray:
        """How many items of the population stand behind one here, by source."""
        present = np.bincount(table.source, minlength=len(self.source_names))
        wanted = np.array([self.population[name] for name in self.source_names])
        return np.maximum(wanted / np.maximum(present, 1), 1.0)

    def _validate(self, resolver: Resolver, items: Items) -> tuple[dict[str, float], float]:
        """Calibrate, choose thresholds, and measure mean average precision between validation items."""
        scorer = resolver.scorer
        candidates = dict(self._samples(resolver, items, {m: t.validation for m, t in items.items()}))
        before = scorer.expected_matches(candidates)
        after = scorer.calibrate(candidates).expected_matches(candidates)
        scorer.choose_thresholds(dict(self._best_pairs(resolver, items)))
        metrics = {f"threshold/{pair}": value for pair, value in scorer.thresholds_.items()}
        metrics |= {f"expected_matches/{pair}/uncalibrated": value for pair, value in before.items()}
        metrics |= {f"expected_matches/{pair}/calibrated": value for pair, value in after.items()}
        held_out = {m: t.where(t.validation) for m, t in items.items()}
        for query, gallery in self.directions(held_out):
            name = f"validation_map/{self.source_names[query[1]]}_to_{self.source_names[gallery[1]]}"
            metrics[name] = self._average_precision(resolver, held_out, query, gallery)
        maps = [value for name, value in metrics.items() if name.startswith("validation_map/")]
        if not maps:
            raise XmerError(
                "train: no validation items of two sources; see ingest.split and the sources' split"
            )
        score = float(np.mean(maps))
        return {**metrics, "validation_score": score}, score

    def _best_pairs(self, resolver: Resolver, items: Items) -> Iterator[tuple[tuple[str, str], PairSample]]:
        """The pairs with a validation item that clustering could keep, which thresholds are chosen on.

        Between sources that hold each thing once only one partner remains, so a pair that is not the
        best of both its items is ruled out by more than its probability.
        """
        true = true_pairs(items)
        for (a, b), i, j, evidence in self._candidates(resolver, items):
            left, right = items[a], items[b]
            pairs = evidence(i, j)
            probability = resolver.scorer.probability((a, b), pairs)
            keep = self._best(probability, i, right.source[j]) & self._best(probability, j, left.source[i])
            keep &= left.validation[i] | right.validation[j]
            truth = self._truth(left, right, i, j)[keep]
            m, n = true[a, b].T if not self.by_class else (i[:0], j[:0])
            apart = self._compared(left, right, m, n)
            missed = int((apart & (left.validation[m] | right.validation[n])).sum()) - int(truth.sum())
            if truth.any():
                chosen = {name: values[keep] for name, values in pairs.items()}
                yield (a, b), PairSample(chosen, truth, np.ones(len(truth)), max(missed, 0))

    def _best(self, probability: np.ndarray, item: np.ndarray, source: np.ndarray) -> np.ndarray:
        """Whether a pair is its item's most probable one with a source, where that holds each thing once."""
        group = item.astype(np.int64) * len(self.source_names) + source
        most = np.zeros(group.max(initial=-1) + 1, dtype=probability.dtype)
        np.maximum.at(most, group, probability)
        return (probability >= most[group]) | ~self.alone[source]

    @staticmethod
    def directions(items: Items) -> Iterator[tuple[tuple[str, int], tuple[str, int]]]:
        """Every (modality, source) as queries against every other one as gallery."""
        sources = [(m, int(s)) for m, t in sorted(items.items()) for s in np.unique(t.source)]
        return ((a, b) for a in sources for b in sources if a != b)

    def _average_precision(
        self, resolver: Resolver, items: Items, query: tuple[str, int], gallery: tuple[str, int]
    ) -> float:
        tables = [items[m].where(items[m].source == s) for m, s in (query, gallery)]
        embedded = [resolver.embed(m, t.vectors) for (m, _), t in zip((query, gallery), tables, strict=True)]
        relevance = "label" if self.by_class else "entity"
        ranked = ranking.rank(
            lambda rows: resolver.scorer.similarity(query[0], embedded[0][rows], gallery[0], embedded[1]),
            getattr(tables[0], relevance),
            getattr(tables[1], relevance),
        )
        return float(ranked.average_precision.mean())


def true_pairs(items: Items) -> dict[tuple[str, str], np.ndarray]:
    """Row index pairs (p, 2) of one entity, for every two modalities and within each one."""
    found = {}
    for a, b in combinations_with_replacement(sorted(items), 2):
        i, j = _same(items[a].entity, items[b].entity)
        keep = i < j if a == b else np.ones(len(i), dtype=bool)
        if keep.any():
            found[a, b] = np.column_stack([i[keep], j[keep]])
    return found


def _same(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All index pairs of equal numbers.

    >>> [x.tolist() for x in _same(np.array([5, 7, 5]), np.array([5, 9, 5]))]
    [[0, 0, 2, 2], [0, 2, 0, 2]]
    """
    order = np.argsort(right, kind="stable")
    first = np.searchsorted(right[order], left, "left")
    count = np.searchsorted(right[order], left, "right") - first
    i = np.repeat(np.arange(len(left)), count)
    within = np.arange(len(i)) - np.repeat(np.cumsum(count) - count, count)
    return i, order[np.repeat(first, count) + within]
