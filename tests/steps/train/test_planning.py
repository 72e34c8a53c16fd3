"""The planner's choice among real blockers of records, for every pair of sources that can be compared."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.steps.train import known, unlabelled
from xmer_spark.comparisons.comparer import Comparer
from xmer_spark.config import Config
from xmer_spark.errors import ConfigError
from xmer_spark.steps.train import encoder, planning
from xmer_spark.steps.train.data import TrainingData
from xmer_spark.steps.train.pairs import candidates
from xmer_spark.steps.train.seen import Seen

PAIR = ("google", "twitter")


def seen_in(config: Config, data: TrainingData) -> Seen:
    learnt = {m: t.where(~t.validation) for m, t in data.items.items()}
    fitted = encoder.fit(config, data.widths, learnt)
    assert fitted is not None
    comparer = Comparer({}, {"image": "image", "text": "text"}).around(fitted.surroundings)
    return Seen(encoder.placed(fitted, data.known, data.items, data.sources), comparer)


def planned(config: Config, data: TrainingData) -> dict[tuple[str, str], planning.Plan]:
    return planning.decide_all(config, seen_in(config, data), data)


def test_near_pairs_get_blockers_of_few_candidates_and_far_ones_of_more(tmp_path: Path) -> None:
    config = known.config(tmp_path)
    plans = [planned(config, known.training_data(noise))[PAIR] for noise in (0.05, 1.0)]
    assert all(plan.recall is not None and plan.recall >= 0.9 for plan in plans)
    near, far = (plan.pairs for plan in plans)
    assert near is not None
    assert far is not None
    assert near < 0.1 * known.THINGS**2 < far


def test_what_a_plan_keeps_is_what_its_blockers_keep(data: TrainingData, tmp_path: Path) -> None:
    config = known.config(tmp_path)
    seen = seen_in(config, data)
    plans = planning.decide_all(config, seen, data)
    for found in candidates(seen, planning.blockers(plans, seen), data.sources):
        plan = plans[found.sources]
        true = found.truth(by_class=False) & found.left.validation[found.i]
        assert true.sum() / 30 == pytest.approx(plan.recall)
        assert plan.pairs is not None
        assert len(found) <= plan.pairs * (1 + 1e-9)  # what several blockers propose is planned twice


def test_a_target_that_no_blocker_meets_is_said_and_the_best_affordable_taken(tmp_path: Path) -> None:
    config = known.config(tmp_path, "blocking.target_recall=1.0", "blocking.max_pairs=3000")
    plan = planned(config, known.training_data(1.5))[PAIR]
    assert "keeps most, but less than wanted" in plan.reason
    assert plan.pairs is not None
    assert plan.pairs <= 3000


def test_blockers_may_be_named_for_all_sources_or_for_two_of_them(tmp_path: Path) -> None:
    uses: list[dict[str, Any]] = [
        {"method": "tokens", "parameters": {"top": 3}},
        {"method": "rules", "parameters": {"rules": [["title"]]}, "pair": "shop/web"},
    ]
    config = unlabelled.rows_config(tmp_path, f"blocking.use={_toml(uses)}")
    both = [("tokens", {"top": 3}), ("rules", {"rules": [["title"]]})]
    assert planning.configured(config, ("shop", "web")) == planning.Plan(both)
    assert planning.configured(config, ("shop", "shop")) == planning.Plan(both[:1])
    only = config.model_copy(update={"blocking": replace_use(config, uses[1:])})
    assert planning.configured(only, ("shop", "shop")) is None


def replace_use(config: Config, uses: list[dict[str, Any]]) -> Any:
    return type(config.blocking).model_validate({**config.blocking.model_dump(), "use": uses})


def _toml(value: Any) -> str:
    """A value as TOML writes it on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_toml(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def test_sources_with_nothing_in_common_are_left_out_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = known.training_data()
    pictures = replace(data, items={"image": data.items["image"]}, widths={"image": known.WIDTHS["image"]})
    with caplog.at_level(logging.WARNING):
        plans = planned(known.config(tmp_path), pictures)
    assert set(plans) == {PAIR}
    assert "sources cldr and short_names are not compared: they have no field in common" in caplog.text


def test_where_nothing_tells_what_blockers_keep_the_usual_one_proposes_what_may_be_afforded(
    tmp_path: Path,
) -> None:
    """No pair of validation records is known, so no recall is promised."""
    data = known.training_data()
    none = {
        name: replace(k, entity=k.entity + 1000 * place * k.validation)
        for place, (name, k) in enumerate(data.known.items())
    }
    plan = planned(known.config(tmp_path), replace(data, known=none))[PAIR]
    assert plan.blockers == [("nearest_codes", {"field": "image/code", "top": 50, "mutual": False})]
    assert plan.recall is None
    fewer = planned(known.config(tmp_path, "blocking.max_pairs=4000"), replace(data, known=none))[PAIR]
    assert fewer.blockers == [("nearest_codes", {"field": "image/code", "top": 10, "mutual": False})]


def test_without_labels_equal_values_are_not_all_that_is_proposed(tmp_path: Path) -> None:
    """Certain pairs are found by equal values, so they say nothing of a blocker by these."""
    data, config = unlabelled.two_shops(), unlabelled.rows_config(tmp_path)
    titles = {
        name: replace(k, records=replace(k.records, columns={"title": k.records.columns["title"]}))
        for name, k in data.known.items()
    }
    comparer = Comparer({"title": "text"}, {})
    plan = planning.decide_all(config, Seen(titles, comparer), replace(data, known=titles))["shop", "web"]
    assert "rules" not in {method for method, _ in plan.blockers}
    assert plan.pairs is not None
    assert plan.pairs > 5 * 80


def test_where_no_blocker_suits_the_error_names_the_sources(
    data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning.planner, "options", lambda *_: {})
    with pytest.raises(ConfigError, match=r"no blocker suits sources cldr and google; .*\[\[blocking\.use"):
        planned(known.config(tmp_path), data)


def test_many_records_are_planned_by_a_sample_that_keeps_true_pairs_whole(
    data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "_PLANNED", 100)
    config = known.config(tmp_path)
    seen = seen_in(config, data)
    sample = planning._sample(config, seen, data, PAIR)
    assert len(sample.left.keys) == len(sample.other.keys) == 100
    assert sample.left_size == known.THINGS
    assert sample.truth is not None
    i, j = sample.truth
    assert 10 < len(i) <= 30
    assert np.array_equal(sample.left.keys[i] % known.THINGS, sample.other.keys[j] % known.THINGS)
