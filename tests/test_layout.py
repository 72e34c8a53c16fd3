"""The rules between rooms, read from the imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "xmer_spark"
ROOMS = {
    "sources", "features", "spaces", "hashing", "blocking", "scoring", "clustering", "evaluation", "report",
    "sample",
}  # fmt: skip
#: What every room may use: the tables, the typed configuration, errors, and what all methods share.
SHARED = {"schema", "config", "errors", "methods"}
#: The modules that bring rooms together.
TOGETHER = {
    "resolver", "training", "training_data", "resolution", "assessment", "report_data", "serving", "cli",
    "planning", "certification", "benchmark",
}  # fmt: skip
ONE_USER = {
    "mlflow": {"tracking", "serving"},
    "petastorm": {"loaders", "petastorm_compat"},
    "delta": {"tables"},
}
SLOW = {
    "mlflow", "petastorm", "torch", "cv2", "transformers", "pyspark", "delta", "sklearn", "plotly", "gensim",
    "jieba", "timm", "sentence_transformers", "wordfreq",
}  # fmt: skip


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py"))


def jobs() -> list[Path]:
    return sorted(path for path in (ROOT / "jobs").glob("*.py") if path.name != "__init__.py")


def imports(path: Path, *, top_level_only: bool = False) -> Iterator[str]:
    """Dotted names that a file imports; what only a type checker reads does not count."""
    tree = ast.parse(path.read_text("utf-8"))
    for node in _walk(tree, inside_functions=not top_level_only):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _walk(node: ast.AST, *, inside_functions: bool) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        if not inside_functions and isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        yield child
        yield from _walk(child, inside_functions=inside_functions)


def place(path: Path) -> str:
    """The room, or the module, that a file belongs to."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def own(names: Iterator[str]) -> set[str]:
    return {name.split(".")[1] for name in names if name.startswith("xmer_spark.")}


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_room_uses_only_itself_and_what_is_shared(path: Path) -> None:
    if place(path) in ROOMS:
        assert own(imports(path)) <= SHARED | {place(path)}


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_the_modules_that_bring_rooms_together_use_several(path: Path) -> None:
    if place(path) not in ROOMS | TOGETHER:
        assert not own(imports(path)) & ROOMS


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_module_of_the_package_uses_a_job_but_the_command_line(path: Path) -> None:
    if place(path) != "cli":
        assert not any(name.split(".")[0] == "jobs" for name in imports(path))


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_a_rooms_stage_uses_spark(path: Path) -> None:
    if place(path) in ROOMS and path.name != "stage.py":
        assert "pyspark" not in {name.split(".")[0] for name in imports(path)}


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_mlflow_petastorm_and_delta_have_one_user_each(path: Path) -> None:
    used = {name.split(".")[0] for name in imports(path)}
    for library, users in ONE_USER.items():
        assert library not in used or place(path) in users


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_nothing_slow_is_imported_before_it_is_needed(path: Path) -> None:
    # MLflow loads serving.py itself, when a model is served; a stage is loaded by jobs, beside a session.
    allowed = {"mlflow"} if place(path) == "serving" else {"pyspark"} if path.name == "stage.py" else set()
    assert {name.split(".")[0] for name in imports(path, top_level_only=True)} & SLOW <= allowed


@pytest.mark.parametrize("path", jobs(), ids=lambda p: p.name)
def test_a_job_can_be_read_at_a_glance(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= 80
