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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One process runs all tests of a file, and one those that look at the same run of the command."""
    for item in items:
        shared = "command_run" in getattr(item, "fixturenames", ())
        item.add_marker(pytest.mark.xdist_group("command" if shared else str(item.path)))


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """One session for a process: starting Spark costs more than most tests."""
    from tests.slices import QUICK
    from xmer_spark.config import Spark
    from xmer_spark.runtime.session import build_session

    settings = Spark(master="local[2]", driver_memory="2g", shuffle_partitions=2, conf=QUICK)
    session = build_session(settings, "tests")
    yield session
    session.stop()


@pytest.fixture(scope="session")
def command_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which ``xmer run`` has resolved a few emoji as the demo does; ``said`` has what it said."""
    from tests.slices import PLACES, shipped, write_emoji, xmer_run

    folder = tmp_path_factory.mktemp("command")
    write_emoji(folder, every=24)
    (folder / "demo.toml").write_text(shipped("demo", folder) + PLACES.format(folder=folder))
    (folder / "said").write_text(xmer_run(folder))
    return folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of benchmark data sets, which are not part of the repository."""
    if not SHARED.is_dir():
        pytest.skip("the benchmark data sets (../shared/data) are not here")
    return SHARED
