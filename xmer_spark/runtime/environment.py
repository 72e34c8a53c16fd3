"""What the machine must have: a Java that Spark runs on, disk, and Delta's jars beside Spark's own.

``python -m xmer_spark.runtime.environment`` is the last step of set-up. It is the only part of the
project that reaches the network; with the jars in place, it checks and does nothing.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from xmer_spark.errors import SetupError

log = logging.getLogger(__name__)

JAVA_VERSIONS = (17, 21)
_SPARK_LINE = ".".join(version("pyspark").split(".")[:2])
DELTA = f"io.delta:delta-spark_{_SPARK_LINE}_2.13:{version('delta-spark')}"
#: Jars that Delta's dependency list names and that Spark brings itself.
_SPARK_HAS = (
    "org.apache.hadoop:hadoop-client-api",
    "org.apache.hadoop:hadoop-client-runtime",
    "org.apache.parquet:parquet-hadoop",
    "org.apache.logging.log4j:log4j-core",
    "org.apache.logging.log4j:log4j-slf4j2-impl",
    "com.fasterxml.jackson.core:jackson-databind",
    "com.fasterxml.jackson.datatype:jackson-datatype-jdk8",
)
_HOW_TO_INSTALL_JAVA = (
    "install a JDK 17 or 21 (Debian/Ubuntu: apt-get install openjdk-17-jdk-headless; "
    "macOS: brew install openjdk@17) and set JAVA_HOME if it is not the default"
)


def java_program() -> str:
    """The java that Spark will start: JAVA_HOME's, or else the one on PATH."""
    home = os.environ.get("JAVA_HOME")
    program = shutil.which("java", path=str(Path(home) / "bin")) if home else shutil.which("java")
    if program is None:
        where = f"JAVA_HOME is {home}, which has no bin/java" if home else "no java on PATH"
        raise SetupError(f"Spark needs Java: {where}; {_HOW_TO_INSTALL_JAVA}")
    return program


def major_version(banner: str) -> int | None:
    """The major version in what ``java -version`` prints.

    >>> major_version('openjdk version "17.0.15" 2025-04-15')
    17
    >>> major_version('java version "1.8.0_392"')
    8
    """
    found = re.search(r'version "(?:1\.)?(\d+)', banner)
    return int(found.group(1)) if found else None


def check_java() -> None:
    """Raise a SetupError unless the java that Spark will start is of a version that it runs on."""
    program = java_program()
    banner = subprocess.run([program, "-version"], capture_output=True, text=True, check=False).stderr  # noqa: S603
    major = major_version(banner)
    if major not in JAVA_VERSIONS:
        raise SetupError(
            f"{program} is Java {major or '(unknown)'}, and Spark {version('pyspark')} needs 17 or 21; "
            f"{_HOW_TO_INSTALL_JAVA}"
        )


def check_disk(folder: Path, gigabytes: float) -> None:
    """Raise a SetupError unless the file system of ``folder`` has so much room."""
    free = shutil.disk_usage(folder).free / 2**30
    if free < gigabytes:
        raise SetupError(f"{folder}: {free:.1f} GiB free, {gigabytes:g} GiB needed; make room and try again")


def jars_folder() -> Path:
    """The folder from which every Spark of this environment loads its jars."""
    import pyspark

    # spark-submit imports pyspark from a zip file, and says where the rest is.
    home = os.environ.get("SPARK_HOME") or Path(pyspark.__file__).parent
    return Path(home) / "jars"


def delta_jar() -> Path | None:
    """Delta's main jar, where it is in place."""
    artifact = DELTA.split(":")[1]
    return next(iter(sorted(jars_folder().glob(f"*{artifact}-{version('delta-spark')}.jar"))), None)


def fetch_delta() -> None:
    """Let Spark's own resolver fetch Delta, and put what Spark lacks beside its jars."""
    log.info("fetching %s", DELTA)
    with tempfile.TemporaryDirectory() as cache:
        _resolve(Path(cache))
        for jar in sorted((Path(cache) / "jars").glob("io.delta_*.jar")):
            # Copied under another name first: a set-up that is cut off leaves no half jar behind.
            partial = jars_folder() / f".{jar.name}.partial"
            shutil.copyfile(jar, partial)
            partial.replace(jars_folder() / jar.name)
    if delta_jar() is None:
        raise SetupError(
            f"{DELTA} was resolved, but its jar was not found; remove the environment and try again"
        )


def _resolve(cache: Path) -> None:
    program = (
        "from pyspark.sql import SparkSession; import sys; "
        "SparkSession.builder.master('local[1]').config('spark.ui.enabled', 'false')"
        ".config('spark.jars.packages', sys.argv[1]).config('spark.jars.excludes', sys.argv[2])"
        ".config('spark.jars.ivy', sys.argv[3]).getOrCreate().stop()"
    )
    command = [sys.executable, "-c", program, DELTA, ",".join(_SPARK_HAS), str(cache)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        tail = "\n".join(done.stderr.splitlines()[-15:])
        raise SetupError(
            f"{DELTA} could not be fetched; set-up needs to reach Maven Central once (a mirror is set as "
            f"usual for Ivy, spark.jars.ivySettings). The resolver's last words:\n{tail}"
        )


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        check_java()
        if delta_jar() is None:
            check_disk(jars_folder(), 0.5)
            fetch_delta()
    except SetupError as error:
        sys.exit(f"xmer: {error}")


if __name__ == "__main__":
    main()
