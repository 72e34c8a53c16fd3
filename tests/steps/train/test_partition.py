"""Slack and threshold by what the partition of validation records is worth, from probabilities alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import log_loss

from tests.steps.train import known as made_up
from xmer_spark.clustering.odds import log_odds
from xmer_spark.comparisons.comparer import Comparer
from xmer_spark.config import Config
from xmer_spark.numerics.logistic import sigmoid
from xmer_spark.numerics.records import Records
from xmer_spark.steps.train import partition
from xmer_spark.steps.train.deciding import Rivals
from xmer_spark.steps.train.items import Known, Sources
from xmer_spark.steps.train.pairs import Candidates
from xmer_spark.steps.train.seen import Seen

THINGS, NAMES = 80, ("left", "right")


def known() -> dict[str, Known]:
    """Two sources of the same things, each of them once; half of the things are for validation."""
    thing = np.arange(THINGS)
    return {
        name: Known(Records(name, thing + THINGS * place, {}), thing, np.full(THINGS, -1), thing % 2 == 0)
        for place, name in enumerate(NAMES)
    }


def sources(once: bool = True, resolved: int = THINGS) -> Sources:
    alone = frozenset(NAMES if once else ())
    return Sources(list(NAMES), [], [NAMES], alone, dict.fromkeys(NAMES, resolved))


def weighed(offset: float, once: bool = True, noise: float = 1.5) -> list[Rivals]:
    """Every pair, with log-odds that tell matches, the less the more noise, and are wrong by an offset."""
    i, j = np.divmod(np.arange(THINGS**2), THINGS)
    random = np.random.default_rng(0)
    odds = np.where(i == j, 2.0, -4.0) + noise * random.standard_normal(len(i)) + offset
    pairs = Candidates(NAMES, Seen(known(), Comparer({}, {})), i, j)
    return [Rivals(pairs, sigmoid(odds), np.zeros(len(i), np.int16), (once, once))]


def config(folder: Path, *replacements: str) -> Config:
    return made_up.config(folder, *replacements)


def worth(tried: partition._Partitions, slack: float, threshold: float) -> float:
    return tried.worth(tried.decided(slack), threshold)


def partitions(settings: Config, rivals: list[Rivals], known_sources: Sources) -> partition._Partitions:
    return partition._Partitions(settings.clustering, known(), known_sources, rivals)


@pytest.mark.parametrize("offset", [-3.0, 0.0, 3.0])
def test_no_other_slack_or_threshold_is_worth_more(tmp_path: Path, offset: float) -> None:
    settings, rivals = config(tmp_path), weighed(offset)
    choice = partition.best(settings, known(), sources(), rivals)
    tried = partitions(settings, rivals, sources())
    assert choice.worth == worth(tried, choice.slack, choice.threshold)
    assert choice.worth >= max(worth(tried, choice.slack, each) for each in partition.THRESHOLDS)
    assert choice.worth >= max(worth(tried, each, choice.threshold) for each in partition.SLACKS)
    assert choice.worth > worth(tried, 0.0, 0.99) + 0.1


def test_probabilities_that_are_wrong_alike_lead_to_partitions_that_are_right_alike(tmp_path: Path) -> None:
    worth = [partition.best(config(tmp_path), known(), sources(), weighed(x)).worth for x in (-2, 0, 2)]
    assert min(worth) > 0.8
    assert max(worth) - min(worth) < 0.05


def test_what_is_decided_is_put_right_for_each_kind_of_pairs(tmp_path: Path) -> None:
    (rivals,) = weighed(0.0)
    kind = (rivals.pairs.i % 4 >= 2).astype(np.int16)  # of either kind a half is for validation
    odds = np.where(kind, 2.0, 0.5) * log_odds(rivals.probability)  # one promises too much, one too little
    mistaken = Rivals(rivals.pairs, sigmoid(odds), kind, rivals.once)
    slack = partition.best(config(tmp_path), known(), sources(), [mistaken]).slack
    decided = partitions(config(tmp_path), [mistaken], sources()).decided(slack)
    truth = rivals.pairs.truth(by_class=False)
    told = rivals.pairs.left.validation[rivals.pairs.i] | rivals.pairs.right.validation[rivals.pairs.j]
    for each in (0, 1):
        rows = told & (kind == each)
        before, after = (
            log_loss(truth[rows], np.clip(p[rows], 1e-6, 1 - 1e-6))
            for p in (mistaken.decided({mistaken.name: slack}), decided.probability)
        )
        assert after < 0.97 * before
    assert decided.correction[0][0] > decided.correction[1][0]


def test_without_competition_there_is_no_slack(tmp_path: Path) -> None:
    choice = partition.best(config(tmp_path), known(), sources(once=False), weighed(0.0, once=False))
    assert choice.slack == 0.0
    assert choice.worth > 0.5


def test_a_precision_is_held_and_costs_recall(tmp_path: Path) -> None:
    rivals = weighed(1.0, once=False, noise=2.0)
    many = sources(once=False)
    strict = config(tmp_path, "clustering.goal=precision", "clustering.precision=0.97")
    usual = partition.best(config(tmp_path), known(), many, rivals)
    held = partition.best(strict, known(), many, rivals)
    assert held.threshold > usual.threshold
    assert 0 < held.worth < 1  # a recall, for where the precision is missed it is less than 0
    assert worth(partitions(strict, rivals, many), 0.0, usual.threshold) < 0


def test_more_records_to_be_resolved_are_more_to_be_mistaken(tmp_path: Path) -> None:
    settings, rivals = config(tmp_path), weighed(0.0, once=False, noise=2.0)
    few, many = (sources(once=False, resolved=count) for count in (THINGS, 20 * THINGS))
    assert worth(partitions(settings, rivals, many), 0.0, 0.5) < worth(
        partitions(settings, rivals, few), 0.0, 0.5
    )
    assert (
        partition.best(settings, known(), many, rivals).threshold
        > partition.best(settings, known(), few, rivals).threshold
    )


def test_bcubed_is_between_0_and_1_and_best_at_its_own_choice(tmp_path: Path) -> None:
    settings = config(tmp_path, "clustering.goal=bcubed_f1")
    choice = partition.best(settings, known(), sources(), weighed(0.0))
    assert 0.8 < choice.worth <= 1
