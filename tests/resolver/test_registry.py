"""The registry with a real MLflow store: versions are found again, served, and never mistaken for none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.resolver.small import PICTURES, TEXTS, Small
from xmer_spark.config import Tracking
from xmer_spark.errors import XmerError
from xmer_spark.resolver.model import Resolver
from xmer_spark.resolver.registry import Registry

EXAMPLE = pd.DataFrame({"modality": ["text"], "text": [TEXTS[0]]})


@dataclass(frozen=True)
class Told:
    """What a training tells of its model."""

    score: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def registered(fitted: Small, tmp_path_factory: pytest.TempPathFactory) -> tuple[Registry, list[str]]:
    """A registry in which two runs have registered the model, the first of which is champion."""
    folder = tmp_path_factory.mktemp("registry")
    registry = Registry(settings(folder))
    saved = fitted.save(folder / "resolver")
    told = [Told(0.25, {"validation_score": 0.25}, {"space_losses": [2.0, 1.0]}), Told(1 / 3)]
    versions = [
        registry.register(f"train-{n}", saved, each, EXAMPLE, {"space": {"method": "cca"}}, {"items": n})
        for n, each in enumerate(told)
    ]
    registry.set_champion(versions[0])
    return registry, versions


def settings(folder: Path, **others: str) -> Tracking:
    return Tracking(uri=f"sqlite:///{folder}/mlflow.db", artifacts=str(folder / "artifacts"), **others)


@pytest.fixture
def quick_to_give_up(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("MAX_RETRIES", "0"), ("TIMEOUT", "2")):
        monkeypatch.setenv(f"MLFLOW_HTTP_REQUEST_{name}", value)


def test_a_version_is_found_by_the_run_that_made_it(registered: tuple[Registry, list[str]]) -> None:
    registry, versions = registered
    assert [registry.version_of_run(f"train-{n}") for n in range(2)] == versions
    assert [registry.run_of(version) for version in versions] == ["train-0", "train-1"]
    assert registry.version_of_run("train-9") is None


def test_a_score_comes_back_to_the_last_bit(registered: tuple[Registry, list[str]]) -> None:
    registry, versions = registered
    assert registry.score(versions[1]) == 1 / 3


def test_the_champion_is_the_version_that_was_named(registered: tuple[Registry, list[str]]) -> None:
    registry, versions = registered
    assert registry.champion() == registry.require_champion() == versions[0]


def test_the_downloaded_resolver_is_the_one_that_was_registered(
    registered: tuple[Registry, list[str]], fitted: Small
) -> None:
    registry, versions = registered
    loaded = Resolver.load(registry.download(versions[1]))
    vectors = fitted.extractors["text"].extract(TEXTS)
    assert loaded.encoder is not None
    assert np.array_equal(loaded.encoder.embed("text", vectors), fitted.embeddings("text", TEXTS))


def test_what_is_measured_later_joins_the_run_that_trained(registered: tuple[Registry, list[str]]) -> None:
    registry, versions = registered
    registry.log_metrics(versions[0], {"recall@1/photos_to_names": 0.5})
    runs = registry.client.search_runs([registry.experiment_id], "tags.`xmer.run_id` = 'train-0'")
    assert runs[0].data.metrics == {
        "validation_score": 0.25,
        "space_losses": 1.0,
        "recall_at_1/photos_to_names": 0.5,
    }
    assert runs[0].data.params["space.method"] == "cca"


def test_the_served_model_answers_in_the_order_of_its_rows(
    registered: tuple[Registry, list[str]], fitted: Small
) -> None:
    import mlflow

    registry, versions = registered
    model = mlflow.pyfunc.load_model(f"models:/{registry.settings.model}/{versions[0]}")
    asked = pd.DataFrame(
        {"modality": ["text", "image", "text"], "text": [TEXTS[0], None, TEXTS[25]]}
        | {"image": [None, PICTURES[7], None]}
    )
    answer = model.predict(asked)
    expected = [
        fitted.embeddings(m, [content])[0]
        for m, content in (("text", TEXTS[0]), ("image", PICTURES[7]), ("text", TEXTS[25]))
    ]
    np.testing.assert_allclose(np.array(answer["embedding"].tolist()), expected, atol=1e-6)
    assert [len(code) for code in answer["code"]] == [1, 1, 1]


def test_the_served_model_names_what_it_does_not_know(registered: tuple[Registry, list[str]]) -> None:
    import mlflow

    registry, versions = registered
    model = mlflow.pyfunc.load_model(f"models:/{registry.settings.model}/{versions[0]}")
    with pytest.raises(XmerError, match="knows image, text, not 'sound'"):
        model.predict(pd.DataFrame({"modality": ["sound"], "text": ["a"]}))


def test_before_any_training_there_is_no_champion_and_it_says_what_to_run(tmp_path: Path) -> None:
    registry = Registry(settings(tmp_path))
    assert registry.champion() is None
    with pytest.raises(XmerError, match="no champion of model 'xmer_resolver'; run the train job first"):
        registry.require_champion()


def test_a_model_without_a_champion_is_no_error(tmp_path: Path) -> None:
    registry = Registry(settings(tmp_path))
    registry.client.create_registered_model(registry.settings.model)
    assert registry.champion() is None


@pytest.mark.usefixtures("quick_to_give_up")
def test_a_registry_that_does_not_answer_is_not_one_without_champion() -> None:
    with pytest.raises(XmerError, match=r"127\.0\.0\.1:9 cannot be used.*check tracking\.uri"):
        Registry(Tracking(uri="http://someone:secret@127.0.0.1:9"))


def test_a_store_that_fails_later_is_not_one_without_champion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.exceptions import MlflowException

    registry = Registry(settings(tmp_path))

    def fails(*_: object) -> None:
        raise MlflowException("the database is locked")

    monkeypatch.setattr(registry.client, "get_model_version_by_alias", fails)
    with pytest.raises(XmerError, match=r"did not say which version .* is champion: the database is locked"):
        registry.champion()


def test_an_experiment_that_was_deleted_is_named_with_the_way_back(tmp_path: Path) -> None:
    registry = Registry(settings(tmp_path))
    registry.client.delete_experiment(registry.experiment_id)
    with pytest.raises(XmerError, match=f"restore --experiment-id {registry.experiment_id}"):
        Registry(settings(tmp_path))


def test_a_password_in_the_address_is_not_told(tmp_path: Path) -> None:
    registry = Registry(settings(tmp_path))
    registry.settings = Tracking(uri="postgresql://me:secret@db.example/mlflow")
    assert registry.address == "postgresql://***@db.example/mlflow"
