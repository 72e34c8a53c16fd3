"""What the tests share: one real Spark session, and where the benchmark data lies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """One session for the whole test run: starting Spark costs more than most tests.

    Tests have little data: planning again between stages and compiling code for every plan takes longer than
    running it. What runs in processes of its own has Spark's defaults.
    """
    from xmer_spark.config import Spark
    from xmer_spark.runtime.session import build_session

    quick = {
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    }
    settings = Spark(master="local[2]", driver_memory="2g", shuffle_partitions=2, conf=quick)
    session = build_session(settings, "tests")
    yield session
    session.stop()


@pytest.fixture(scope="session")
def command_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which ``xmer run`` has run a small set once; the file ``said`` has what that printed."""
    from tests.slices import write_small, xmer_run

    folder = tmp_path_factory.mktemp("command")
    write_small(folder, every=24)
    (folder / "said").write_text(xmer_run(folder))
    return folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of benchmark data sets, which are not part of the repository."""
    if not SHARED.is_dir():
        pytest.skip("the benchmark data sets (../shared/data) are not here")
    return SHARED
