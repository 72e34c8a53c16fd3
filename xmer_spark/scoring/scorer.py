"""Turns the evidence of a pair into the probability that it is a match."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.scoring.evidence import ItemEvidence, ItemModel, PairEvidence, pair_evidence, row_chunks
from xmer_spark.scoring.logistic import fit_logistic, sigmoid
from xmer_spark.scoring.thresholds import best_threshold


@dataclass(frozen=True)
class PairSample:
    """Pairs (p,) whose truth is known: their evidence, and how many pairs of the population each stands for.

    ``missed`` is the number of true pairs that are not among them.
    """

    evidence: PairEvidence
    truth: np.ndarray
    weight: np.ndarray
    missed: float = 0.0


def join_samples(samples: Sequence[PairSample]) -> PairSample:
    """Several samples of one modality pair as one; evidence that one of them lacks is left out."""
    shared = set.intersection(*(set(sample.evidence) for sample in samples))
    return PairSample(
        {name: np.concatenate([sample.evidence[name] for sample in samples]) for name in sorted(shared)},
        np.concatenate([sample.truth for sample in samples]),
        np.concatenate([sample.weight for sample in samples]),
    )


class PairScorer(ItemModel):
    """A regularised logistic regression for each pair of modalities.

    Fitted in three acts, each on data that the act before did not see: ``fit_items`` on the items
    that the space was fitted on, ``fit_pairs`` on pairs of held-out items, with evidence from an
    item model that has not seen them either (cross-fitting), ``choose_thresholds`` on validation.
    """

    def __init__(
        self,
        neighbours: int = 10,
        reference: int = 2000,
        class_penalty: float = 1e-3,
        pair_penalty: float = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__(neighbours, reference, class_penalty, seed)
        self.pair_penalty = pair_penalty

    def fit_pairs(self, samples: Mapping[tuple[str, str], PairSample]) -> Self:
        """Learn the probability of a match from samples, by modality pair."""
        self.coefficients_: dict[str, np.ndarray] = {}
        self.centres_: dict[str, np.ndarray] = {}
        self.scales_: dict[str, np.ndarray] = {}
        self.terms_: dict[str, list[str]] = {}
        for modalities, sample in samples.items():
            name = pair_name(*modalities)
            if not 0 < sample.truth.sum() < len(sample.truth):
                found = f"{int(sample.truth.sum())} of {len(sample.truth)} pairs match"
                raise XmerError(f"{name}: the pair scorer needs matches and non-matches, but {found}")
            self.terms_[name] = [term for term in TERMS if term in sample.evidence]
            raw = _columns(sample.evidence, self.terms_[name])
            self.centres_[name] = np.average(raw, axis=0, weights=sample.weight)
            self.scales_[name] = raw[sample.truth].std(axis=0) + 1e-6
            design = self._design(name, sample.evidence)
            self.coefficients_[name] = fit_logistic(design, sample.truth, sample.weight, self.pair_penalty)
        return self

    def take_pairs(self, other: PairScorer) -> Self:
        """Take over what ``other`` has learned of pairs, and its thresholds; items are fitted apart."""
        for name in ("coefficients_", "centres_", "scales_", "terms_", "thresholds_"):
            if hasattr(other, name):
                setattr(self, name, getattr(other, name))
        return self

    def choose_thresholds(self, samples: Mapping[tuple[str, str], PairSample]) -> Self:
        """Keep, by modality pair, the probability from which on calling pairs matches gives the best F1.

        A pair of which there is no sample is taken at its word: a match is what is more likely than not.
        """
        self.thresholds_ = dict.fromkeys(self.coefficients_, 0.5) | {
            pair_name(*modalities): best_threshold(
                self.probability(modalities, sample.evidence), sample.truth, sample.weight, sample.missed
            )
            for modalities, sample in samples.items()
        }
        return self

    def threshold(self, a: str, b: str) -> float:
        return float(self.thresholds_[pair_name(a, b)])

    def evidence(
        self,
        modalities: tuple[str, str],
        left: ItemEvidence,
        right: ItemEvidence,
        left_index: np.ndarray,
        right_index: np.ndarray,
        hamming: np.ndarray | None = None,
    ) -> PairEvidence:
        """The evidence (p,) of pairs of prepared items, by the field names of ``schema.EVIDENCE``."""
        evidence = pair_evidence(modalities, left, right, left_index, right_index)
        return evidence if hamming is None else {**evidence, "hamming": hamming}

    def probability(self, modalities: tuple[str, str], evidence: PairEvidence) -> np.ndarray:
        """(p,) float32 probabilities that the two items of a pair describe one thing."""
        name = pair_name(*modalities)
        if name not in self.coefficients_:
            known = ", ".join(sorted(self.coefficients_))
            raise XmerError(f"the pair scorer was not trained on pairs of {name}; it knows {known}")
        return sigmoid(self._design(name, evidence) @ self.coefficients_[name]).astype(np.float32)

    def similarity(self, modality_a: str, a: np.ndarray, modality_b: str, b: np.ndarray) -> np.ndarray:
        """(n, m) float32 log-odds of a match of every two embeddings, to rank by."""
        modalities = (modality_a, modality_b)
        name = pair_name(*modalities)
        left, right = self.prepare(modality_a, a), self.prepare(modality_b, b)
        result = np.empty((len(a), len(b)), dtype=np.float32)
        for rows in row_chunks(len(a), len(b) * 8):
            i, j = np.divmod(np.arange(len(a[rows]) * len(b)), max(len(b), 1))
            evidence = pair_evidence(modalities, left, right, i + rows.start, j)
            result[rows] = (self._design(name, evidence) @ self.coefficients_[name]).reshape(-1, len(b))
        return result

    def _design(self, name: str, evidence: PairEvidence) -> np.ndarray:
        """Standardised terms, their squares and products, and a constant."""
        z = (_columns(evidence, self.terms_[name]) - self.centres_[name]) / self.scales_[name]
        first, second = np.triu_indices(z.shape[1])
        return np.hstack([z, z[:, first] * z[:, second], np.ones((len(z), 1))])


#: Hamming distance stays out: it is the cosine again, with noise.
TERMS = ("cosine", "csls", "posterior_agreement")


def pair_name(a: str, b: str) -> str:
    """The name of a pair of modalities, whichever comes first.

    >>> pair_name("text", "image")
    'image-text'
    """
    return "-".join(sorted((a, b)))


def _columns(evidence: PairEvidence, terms: list[str]) -> np.ndarray:
    return np.column_stack([evidence[term] for term in terms]).astype(np.float64)
