"""The only user of MLflow: runs with their parameters and metrics, and the registry of resolvers.

A training run is tagged with the pipeline's run id, so that one which was killed after it had
registered its model is found again rather than repeated.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from xmer_spark.errors import XmerError

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities import Experiment
    from mlflow.models import ModelSignature

    from xmer_spark.config import Tracking

log = logging.getLogger(__name__)

CHAMPION = "champion"
_RUN_TAG = "xmer.run_id"
_SCORE = "validation_score"


class Fitted(Protocol):
    """What is told of a resolver when it is registered: its score, its metrics, and curves of its fitting."""

    @property
    def score(self) -> float | None: ...

    @property
    def metrics(self) -> Mapping[str, float]: ...

    @property
    def curves(self) -> Mapping[str, Sequence[float]]: ...


class Registry:
    """The tracking server and model registry that a configuration points to."""

    def __init__(self, settings: Tracking) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        # Progress bars for copying a few local files only hide the pipeline's own progress.
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        import mlflow

        for noisy in ("mlflow", "alembic"):
            logging.getLogger(noisy).setLevel(logging.WARNING)
        mlflow.set_tracking_uri(_resolved(settings.uri))
        self.settings = settings
        self.client: MlflowClient = mlflow.MlflowClient()
        experiment = self._experiment()
        self.experiment_id = (
            experiment.experiment_id
            if experiment is not None
            else self.client.create_experiment(
                settings.experiment, artifact_location=_location(settings.artifacts)
            )
        )

    @property
    def address(self) -> str:
        """Where the registry is, without what only its owner should know."""
        return re.sub(r"//[^/@]*@", "//***@", self.settings.uri)

    def _experiment(self) -> Experiment | None:
        """The configured experiment, where it exists; an XmerError where it cannot be used."""
        from mlflow.exceptions import MlflowException

        name = self.settings.experiment
        try:
            found = self.client.get_experiment_by_name(name)
        except MlflowException as error:
            raise XmerError(
                f"MLflow at {self.address} cannot be used: {error}; check tracking.uri"
            ) from error
        if found is not None and found.lifecycle_stage == "deleted":
            raise XmerError(
                f"{self.address}: the experiment {name!r} was deleted; restore it "
                f"(mlflow experiments restore --experiment-id {found.experiment_id}), or set "
                "tracking.experiment to another name"
            )
        return found

    def champion(self) -> str | None:
        """The version that the alias ``champion`` points to, where there is one."""
        from mlflow.exceptions import MlflowException

        try:
            return str(self.client.get_model_version_by_alias(self.settings.model, CHAMPION).version)
        except MlflowException as error:
            # A model that is not there and an alias that is not set have codes of their own.
            no_alias = f"alias {CHAMPION} not found" in str(error)
            if error.error_code == "RESOURCE_DOES_NOT_EXIST" or no_alias:
                return None
            raise XmerError(
                f"the registry at {self.address} did not say which version of model {self.settings.model!r} "
                f"is champion: {error}; try again, and check tracking.uri"
            ) from error

    def require_champion(self) -> str:
        version = self.champion()
        if version is None:
            raise XmerError(
                f"{self.address}: no champion of model {self.settings.model!r}; run the train job first"
            )
        return version

    def version_of_run(self, run_id: str) -> str | None:
        """The model version that the pipeline's run has registered, where it has."""
        found = self.client.search_model_versions(f"name = '{self.settings.model}'")
        return next((str(v.version) for v in found if v.tags.get(_RUN_TAG) == run_id), None)

    def run_of(self, version: str) -> str:
        """The pipeline's run that trained a version: unlike its number, no other registry has the same."""
        return str(self.client.get_model_version(self.settings.model, version).tags[_RUN_TAG])

    def score(self, version: str) -> float | None:
        """The validation score that a version was registered with; None where no truth was known."""
        tag: str | None = self.client.get_model_version(self.settings.model, version).tags.get(_SCORE)
        return None if tag is None else float(tag)

    def download(self, version: str) -> Path:
        """The folder of a registered resolver, on this machine."""
        import mlflow

        uri = f"models:/{self.settings.model}/{version}"
        folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri)) / "artifacts" / "resolver"
        if not folder.is_dir():
            raise XmerError(f"{uri} holds no resolver; was it registered by another program?")
        return folder

    def register(
        self,
        run_id: str,
        folder: Path,
        trained: Fitted,
        example: pd.DataFrame | None,
        settings: Mapping[str, Any],
        versions: Mapping[str, int],
    ) -> str:
        """Log one training run with its model, and register it; returns the model's version.

        ``folder`` holds the saved resolver, ``example`` one raw item, where items are encoded. The model is a
        pyfunc from code, so that loading it unpickles nothing.
        """
        import mlflow

        tags = {_RUN_TAG: run_id}
        if trained.score is not None:
            tags[_SCORE] = repr(trained.score)
        data = {f"version of {table}": str(version) for table, version in versions.items()}
        with mlflow.start_run(experiment_id=self.experiment_id, run_name=run_id, tags=tags | data):
            mlflow.log_params(dict(_flat(settings)))
            mlflow.log_metrics({_allowed(name): value for name, value in trained.metrics.items()})
            for name, values in trained.curves.items():
                for step, value in enumerate(values):
                    mlflow.log_metric(name, value, step=step)
            info = mlflow.pyfunc.log_model(
                name="resolver",
                python_model=str(Path(__file__).with_name("serving.py")),
                artifacts={"resolver": str(folder)},
                signature=_signature(),
                input_example=example,
                pip_requirements=[f"xmer-spark=={_own_version()}"],
            )
        if not self.client.search_registered_models(f"name = '{self.settings.model}'"):
            self.client.create_registered_model(self.settings.model)
        registered = self.client.create_model_version(
            self.settings.model,
            source=info.model_uri,
            model_id=info.model_id,
            tags=tags | data,
        )
        return str(registered.version)

    def set_champion(self, version: str) -> None:
        """Let the alias ``champion`` point to a version."""
        self.client.set_registered_model_alias(self.settings.model, CHAMPION, version)

    def log_metrics(self, version: str, metrics: Mapping[str, float]) -> None:
        """Add what was measured later, on held-out data, to the training run of a version."""
        source = self.run_of(version)
        runs = self.client.search_runs([self.experiment_id], f"tags.`{_RUN_TAG}` = '{source}'")
        for run in runs[:1]:
            for name, value in metrics.items():
                self.client.log_metric(run.info.run_id, _allowed(name), value)


def _signature() -> ModelSignature:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema
    from mlflow.types.schema import Array

    content = [
        ColSpec(DataType.string, "text", required=False),
        ColSpec(DataType.binary, "image", required=False),
        # JSON knows numbers of double precision only.
        ColSpec(Array(DataType.double), "vector", required=False),
    ]
    outputs = [ColSpec(Array(DataType.float), "embedding"), ColSpec(Array(DataType.long), "code")]
    inputs = [ColSpec(DataType.string, "modality"), *content]
    return ModelSignature(Schema([*inputs]), Schema([*outputs]))


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings as MLflow's flat parameters.

    >>> dict(_flat({"space": {"method": "cca", "parameters": {}}}))
    {'space.method': 'cca'}
    """
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", str(value)[:500]


def _allowed(name: str) -> str:
    """A metric's name as MLflow allows it.

    >>> _allowed("map/wiki#image/wiki#text")
    'map/wiki:image/wiki:text'
    """
    return re.sub(r"[^\w\-. :/]", ":", name.replace("@", "_at_"))


def _resolved(uri: str) -> str:
    """A URI whose SQLite file has its full path: MLflow keeps a store per URI, wherever the process is.

    >>> _resolved("postgresql://tracking/mlflow"), _resolved("sqlite:////models/mlflow.db")
    ('postgresql://tracking/mlflow', 'sqlite:////models/mlflow.db')
    """
    scheme, _, file = uri.partition(":///")
    return f"{scheme}:///{Path(file).resolve()}" if scheme == "sqlite" and file else uri


def _location(artifacts: str) -> str:
    return artifacts if "://" in artifacts else Path(artifacts).resolve().as_uri()


def _own_version() -> str:
    from importlib.metadata import version

    return version("xmer-spark")
