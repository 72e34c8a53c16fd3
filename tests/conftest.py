"""What the tests share: one real Spark session, and where the benchmark data lies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data"
CASES = ROOT.parent / "shared" / "cases"
#: What runs in an environment of its own.
collect_ignore = ["benchmarks/peers/splink_rows.py"]


#: The files that take minutes, the longest first: begun last, one would keep one process busy alone.
LONG = ["test_conf.py", "test_cli.py", "test_growth.py", "test_pipeline.py", "test_migrate.py"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: order.get(item.path.name, len(LONG)))


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
    """A folder in which ``xmer run`` has resolved a few emoji as the demo does; ``said`` has what it said.

    The processes of a test run share it: the first that asks makes it, and the others wait.
    """
    from tests.slices import JVM, PLACES, shipped, write_emoji, xmer_run

    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "command"
    with FileLock(folder.with_suffix(".lock")):
        if not (folder / "said").exists():
            folder.mkdir(exist_ok=True)  # where a run has failed, the next process is told why, too
            write_emoji(folder, every=24)
            settings = "".join(f'"{key}" = "{value}"\n' for key, value in JVM.items())
            places = PLACES.format(folder=folder) + f"[spark.conf]\n{settings}"
            (folder / "demo.toml").write_text(shipped("demo", folder) + places)
            (folder / "said").write_text(xmer_run(folder))
    return folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of benchmark data sets, which are not part of the repository."""
    if not SHARED.is_dir():
        pytest.skip("the benchmark data sets (../shared/data) are not here")
    return SHARED


@pytest.fixture(scope="session")
def shared_cases() -> Path:
    """The folder of inputs that have failed once, which are not part of the repository."""
    if not CASES.is_dir():
        pytest.skip("the inputs that have failed once (../shared/cases) are not here")
    return CASES
