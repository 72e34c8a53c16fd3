"""The layers of the code, and what each may use, read from the imports.

Each rule is one test, which names all that offends against it.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "xmer_spark"

#: What all share, from the bottom up: each may use those before it.
SHARED = ("errors", "files", "schema", "names", "numerics", "method", "config")
#: Tables, runs and sessions, likewise.
INFRASTRUCTURE = ("runtime", "store")
#: What is plain and tested on its own; what passes between rooms is a table's columns.
ROOMS = (
    "sources", "features", "spaces", "hashing", "blocking", "comparisons", "scoring", "clustering",
    "entities", "evaluation", "report", "sample",
)  # fmt: skip
#: The places of the code, and what each may use beside itself.
MAY_USE: dict[str, tuple[str, ...]] = {
    **{place: SHARED[:below] for below, place in enumerate(SHARED)},
    **{place: (*SHARED, *INFRASTRUCTURE[:below]) for below, place in enumerate(INFRASTRUCTURE)},
    **dict.fromkeys(ROOMS, SHARED),
    "resolver": (*SHARED, *ROOMS),  # the trained whole, saved and loaded as one
    "steps": (*SHARED, *INFRASTRUCTURE, *ROOMS, "resolver"),
    "jobs": (*SHARED, "store", "resolver", "steps"),
    "cli": (*SHARED, "runtime", "store", "steps", "jobs"),
}

#: Libraries with one user: a file of the package, or a folder.
USERS = {
    "mlflow": ("resolver/registry.py", "resolver/serving.py"),
    "petastorm": ("store/vectors.py", "store/petastorm_compat.py"),
    "delta": ("store/",),
    "deltalake": ("store/",),
}
#: Libraries that take long to load.
SLOW = {
    "mlflow", "petastorm", "torch", "cv2", "transformers", "pyspark", "delta", "sklearn", "plotly", "gensim",
    "jieba", "timm", "sentence_transformers", "wordfreq",
}  # fmt: skip
#: Methods and attributes of Spark's DataFrames and sessions that neither numpy, pandas nor Arrow have.
OF_SPARK = {
    "applyInArrow", "applyInPandas", "createDataFrame", "createOrReplaceTempView", "crossJoin",
    "dropDuplicates", "exceptAll", "groupBy", "isEmpty", "localCheckpoint", "mapInArrow", "mapInPandas",
    "mapPartitions", "orderBy", "persist", "randomSplit", "rdd", "repartition", "repartitionById",
    "repartitionByRange", "selectExpr", "sortWithinPartitions", "sparkContext", "sparkSession", "toArrow",
    "toLocalIterator", "toPandas", "unionAll", "unionByName", "unpersist", "withColumn", "withColumnRenamed",
    "withColumns", "withColumnsRenamed",
}  # fmt: skip
JOB_LINES, FILE_LINES, LOOSE_MODULES = 80, 400, 7


def test_every_place_uses_only_what_lies_below_it() -> None:
    offenders = [
        f"{_name(path)} uses {used}"
        for path in _modules()
        for used in _places_used(path)
        if used not in (_place(path), *MAY_USE.get(_place(path), ()))
    ]
    _none(offenders)


def test_the_places_have_an_order_without_circles() -> None:
    order = list(MAY_USE)
    offenders = [
        f"{place} uses {used}"
        for place, allowed in MAY_USE.items()
        for used in allowed
        if order.index(used) >= order.index(place)
    ]
    _none(offenders)


def test_every_module_has_a_place() -> None:
    _none([_name(path) for path in _modules() if _place(path) not in (*MAY_USE, "__init__")])


def test_only_a_rooms_stage_imports_spark() -> None:
    offenders = [
        _name(path)
        for path in _modules()
        if _place(path) in ROOMS and path.name != "stage.py" and "pyspark" in _libraries(path)
    ]
    _none(offenders)


def test_only_a_rooms_stage_works_with_a_dataframe_of_sparks() -> None:
    offenders = [
        f"{_name(path)}:{node.lineno} uses .{node.attr}"
        for path in _modules()
        if _place(path) in ROOMS and path.name != "stage.py"
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Attribute) and node.attr in OF_SPARK
    ]
    _none(offenders)


def test_mlflow_petastorm_and_delta_have_one_user_each() -> None:
    offenders = [
        f"{_name(path)} uses {library}"
        for path in _modules()
        for library in sorted(_libraries(path) & set(USERS))
        if not _name(path).removeprefix("xmer_spark/").startswith(USERS[library])
    ]
    _none(offenders)


def test_nothing_slow_is_imported_before_it_is_needed() -> None:
    # A stage is loaded by jobs, beside a session; MLflow loads serving.py itself, when a model is served; a
    # network is loaded by the extractor around it, when that runs.
    allowed = {"stage.py": {"pyspark"}, "serving.py": {"mlflow"}, "bert.py": {"torch"}}
    offenders = [
        f"{_name(path)} imports {library}"
        for path in _modules()
        for library in sorted(_libraries(path, at_import=True) & SLOW - allowed.get(path.name, set()))
    ]
    _none(offenders)


def test_a_job_can_be_read_at_a_glance() -> None:
    _none(_longer_than(JOB_LINES, (ROOT / "jobs").glob("*.py")))


def test_no_file_is_too_long_to_be_read_in_one_go() -> None:
    folders = ("xmer_spark", "jobs", "airflow_dags", "tests")
    _none(_longer_than(FILE_LINES, (path for name in folders for path in (ROOT / name).rglob("*.py"))))


def test_hardly_a_module_lies_loose_beside_the_rooms() -> None:
    loose = sorted(path.name for path in PACKAGE.glob("*.py") if path.name != "__init__.py")
    assert len(loose) <= LOOSE_MODULES, loose


def _none(offenders: list[str]) -> None:
    assert not offenders, "\n".join(["", *offenders])


def _modules() -> list[Path]:
    return sorted([*PACKAGE.rglob("*.py"), *(ROOT / "jobs").glob("*.py")])


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _place(path: Path) -> str:
    """The part of the code that a file belongs to: a room, another folder, or a loose module."""
    parts = path.relative_to(ROOT).parts
    return "jobs" if parts[0] == "jobs" else parts[1].removesuffix(".py")


def _places_used(path: Path) -> list[str]:
    """The parts of the code that a file imports from; ``import xmer_spark`` alone is none."""
    names = [name.split(".") for name in _imports(path)]
    used = {parts[1] for parts in names if parts[0] == "xmer_spark" and len(parts) > 1}
    return sorted(used | {"jobs" for parts in names if parts[0] == "jobs"})


def _libraries(path: Path, *, at_import: bool = False) -> set[str]:
    """What a file imports, by the first part of its name; what only a type checker reads does not count."""
    return {name.partition(".")[0] for name in _imports(path, types=False, functions=not at_import)}


def _imports(path: Path, *, types: bool = True, functions: bool = True) -> Iterator[str]:
    """Dotted names of the modules that a file imports; ``from xmer_spark import x`` names x.

    What is imported for a type checker alone, and inside functions, can be left out.
    """
    package = ".".join(path.relative_to(ROOT).with_suffix("").parts[:-1])
    for node in _walk(_tree(path), types, functions):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _walk(node: ast.AST, types: bool, functions: bool) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        for_types = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        function = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef))
        if (types or not for_types) and (functions or not function):
            yield child
            yield from _walk(child, types, functions)


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def _longer_than(lines: int, paths: Iterable[Path]) -> list[str]:
    counted = {_name(path): len(path.read_text("utf-8").splitlines()) for path in sorted(paths)}
    return [f"{name} has {count} lines" for name, count in counted.items() if count > lines]
