"""One training on made-up items, which most tests of this folder look at."""

from __future__ import annotations

import pytest

from tests.steps.train import known
from xmer_spark.steps.train.data import TrainingData
from xmer_spark.steps.train.trainer import Trained, train


@pytest.fixture(scope="package")
def data() -> TrainingData:
    return known.training_data()


@pytest.fixture(scope="package")
def trained(data: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return train(known.config(tmp_path_factory.mktemp("trainer")), data)
