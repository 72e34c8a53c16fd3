"""Turns the evidence of a pair into the probability that it is a match."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.names import pair_name
from xmer_spark.numerics.logistic import fit_logistic, sigmoid
from xmer_spark.numerics.rows import cached_chunks
from xmer_spark.numerics.threads import one_thread
from xmer_spark.scoring.calibration import fit_calibration
from xmer_spark.scoring.evidence import ItemEvidence, ItemModel, PairEvidence, pair_evidence
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

    Fitted in four acts: ``fit_items`` on the items that the space was fitted on, ``fit_pairs`` on pairs
    of held-out items, with evidence from an item model that has not seen them either (cross-fitting),
    ``calibrate`` and ``choose_thresholds`` on validation.
    """

    #: Slope and offset (2,) of the log-odds by modality pair, where they were calibrated.
    calibration_: Mapping[str, np.ndarray] = MappingProxyType({})

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
        self.ranges_: dict[str, np.ndarray] = {}
        self.calibration_ = {}
        with self.fitting():
            for modalities, sample in samples.items():
                self._fit_pair(pair_name(*modalities), sample)
        return self

    def _fit_pair(self, name: str, sample: PairSample) -> None:
        if not 0 < sample.truth.sum() < len(sample.truth):
            found = f"{int(sample.truth.sum())} of {len(sample.truth)} pairs match"
            raise XmerError(f"{name}: the pair scorer needs matches and non-matches, but {found}")
        self.terms_[name] = [term for term in TERMS if term in sample.evidence]
        raw = _columns(sample.evidence, self.terms_[name])
        self.centres_[name] = np.average(raw, axis=0, weights=sample.weight)
        self.scales_[name] = raw[sample.truth].std(axis=0) + 1e-6
        self.ranges_[name] = np.stack([raw.min(axis=0), raw.max(axis=0)])
        design = self._design(name, sample.evidence)
        self.coefficients_[name] = fit_logistic(design, sample.truth, sample.weight, self.pair_penalty)

    def take_pairs(self, other: PairScorer) -> Self:
        """Take over what ``other`` has learned of pairs, and its thresholds; items are fitted apart."""
        for name in (
            "coefficients_",
            "centres_",
            "scales_",
            "terms_",
            "ranges_",
            "calibration_",
            "thresholds_",
        ):
            if hasattr(other, name):
                setattr(self, name, getattr(other, name))
        return self

    def calibrate(self, samples: Mapping[tuple[str, str], PairSample]) -> Self:
        """Correct the log-odds, by modality pair, so that they fit samples of all candidates.

        A space that was fitted on more items tells matches better than those of the folds that the
        coefficients come from. Choose thresholds afterwards. True pairs that were missed are no
        candidates and have no say.
        """
        with self.fitting():
            self.calibration_ = {
                pair_name(*modalities): fit_calibration(
                    self._raw_log_odds(pair_name(*modalities), sample.evidence), sample.truth, sample.weight
                )
                for modalities, sample in samples.items()
            }
        return self

    def expected_matches(self, samples: Mapping[tuple[str, str], PairSample]) -> dict[str, float]:
        """By modality pair: the sum of the probabilities, as a share of the matches that there are."""
        with one_thread():
            return {
                pair_name(*modalities): float(
                    self.probability(modalities, sample.evidence)
                    @ sample.weight
                    / (sample.weight @ sample.truth)
                )
                for modalities, sample in samples.items()
            }

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
        return sigmoid(self.log_odds(modalities, evidence)).astype(np.float32)

    def log_odds(self, modalities: tuple[str, str], evidence: PairEvidence) -> np.ndarray:
        """(p,) log-odds of a match: what ``probability`` is the sigmoid of."""
        name = pair_name(*modalities)
        if name not in self.coefficients_:
            known = ", ".join(sorted(self.coefficients_))
            raise XmerError(f"the pair scorer was not trained on pairs of {name}; it knows {known}")
        slope, offset = self.calibration_.get(name, (1.0, 0.0))
        return slope * self._raw_log_odds(name, evidence) + offset

    def similarity(self, modality_a: str, a: np.ndarray, modality_b: str, b: np.ndarray) -> np.ndarray:
        """(n, m) float32 log-odds of a match of every two embeddings, to rank by."""
        modalities = (modality_a, modality_b)
        left, right = self.prepare(modality_a, a, [modality_b]), self.prepare(modality_b, b, [modality_a])
        result = np.empty((len(a), len(b)), dtype=np.float32)
        for rows in cached_chunks(len(a), len(b) * 8):
            i, j = np.divmod(np.arange(len(a[rows]) * len(b)), max(len(b), 1))
            evidence = pair_evidence(modalities, left, right, i + rows.start, j)
            result[rows] = self.log_odds(modalities, evidence).reshape(-1, len(b))
        return result

    def _raw_log_odds(self, name: str, evidence: PairEvidence) -> np.ndarray:
        """``_design @ coefficients_``, term by term, without the matrix."""
        coefficients, count = self.coefficients_[name], len(self.terms_[name])
        result = np.empty(len(evidence[self.terms_[name][0]]))
        for rows in cached_chunks(len(result), 4 * count):
            z = self._standardised(name, {term: evidence[term][rows] for term in self.terms_[name]})
            total = np.full(z.shape[1], coefficients[-1])
            products = iter(coefficients[count:-1])
            for k in range(count):  # z_k (b_k + sum over l >= k of q_kl z_l)
                factor = np.full(z.shape[1], coefficients[k])
                for other in z[k:]:
                    factor += next(products) * other
                total += factor * z[k]
            result[rows] = total
        return result

    def _design(self, name: str, evidence: PairEvidence) -> np.ndarray:
        """Standardised terms, their squares and products in the order of ``triu_indices``, and a constant."""
        z = self._standardised(name, evidence).T
        first, second = np.triu_indices(z.shape[1])
        return np.hstack([z, z[:, first] * z[:, second], np.ones((len(z), 1))])

    def _standardised(self, name: str, evidence: PairEvidence) -> np.ndarray:
        """(terms, p) float64: near 0 for most pairs, and as spread as matches are.

        What is beyond all pairs that were learnt from counts as the most extreme of them: a square that
        serves the candidates would call those which blocking never proposes as probable as matches.
        """
        z = np.array([evidence[term] for term in self.terms_[name]], dtype=np.float64)
        low, high = self.ranges_[name][:, :, None]
        np.clip(z, low, high, out=z)
        z -= self.centres_[name][:, None]
        z /= self.scales_[name][:, None]
        return z


#: Hamming distance stays out: it is the cosine again, with noise.
TERMS = ("cosine", "csls", "posterior_agreement")


def _columns(evidence: PairEvidence, terms: list[str]) -> np.ndarray:
    return np.column_stack([evidence[term] for term in terms]).astype(np.float64)
