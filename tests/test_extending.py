"""The examples of docs/extending.md as they stand there: one file and one line each, and they work."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.slices import ROOT
from xmer_spark import clustering, comparisons, scoring
from xmer_spark.comparisons.comparer import Comparer
from xmer_spark.method import Registry
from xmer_spark.numerics.evidence import Evidence
from xmer_spark.numerics.records import Records
from xmer_spark.scoring.scorer import PairScorer

EXAMPLES: list[str] = re.findall(
    r"^```python\n(.*?)^```$", (ROOT / "docs" / "extending.md").read_text("utf-8"), re.MULTILINE | re.DOTALL
)
Add = Callable[[Registry, str, str], None]


@pytest.fixture
def add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Add:
    """Write the example with a class into a file of its own, and add its line to a registry."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(registry: Registry, name: str, method: str) -> None:
        (example,) = [text for text in EXAMPLES if f"class {method}(" in text]
        module = f"example_{name}"
        (tmp_path / f"{module}.py").write_text(example)
        monkeypatch.setitem(registry.methods, name, f"{module}:{method}")
        monkeypatch.delitem(sys.modules, module, raising=False)

    return write


def test_every_example_is_run_here() -> None:
    tested = ("PrefixComparison", "MeanScorer", "BestMatch")
    assert [text for text in EXAMPLES if not any(f"class {name}(" in text for name in tested)] == []
    assert len(EXAMPLES) == len(tested)


def test_a_comparison_serves_the_fields_of_a_type(
    add: Add, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    add(comparisons.REGISTRY, "prefix", "PrefixComparison")
    monkeypatch.setitem(comparisons.BY_TYPE, "identifier", "prefix")
    codes = Records("codes", np.arange(3), {"code": np.array(["ABC-1", "abc-2", None], object)})
    comparer = Comparer({"code": "identifier"}, {}).fit([codes])
    comparer.save(tmp_path / "saved")
    for each in (comparer, Comparer.load(tmp_path / "saved")):
        prepared = each.prepare(codes)
        found = each.evidence(prepared, prepared, np.array([0, 0]), np.array([1, 2]))
        assert each.names == ["code~code/begin"]
        np.testing.assert_array_equal(found.values[:, 0], [1, np.nan])


def test_a_scorer_is_taken_by_its_name(add: Add, tmp_path: Path) -> None:
    add(scoring.REGISTRY, "mean", "MeanScorer")
    values = np.array([[0.9, 0.8], [0.1, np.nan]], np.float32)
    evidence = Evidence(values, np.zeros(2, np.int16))
    scorer = PairScorer("mean", {"middle": 0.6}).fit(evidence, ["a~a/equal", "b~b/equal"])
    scorer.save(tmp_path / "saved")
    for each in (scorer, PairScorer.load(tmp_path / "saved")):
        assert (each.probability(evidence) > 0.5).tolist() == [True, False]
        np.testing.assert_allclose(each.log_odds(evidence), [20 * 0.25, 20 * -0.5], atol=1e-5)
        np.testing.assert_allclose(each.contributions(evidence), [[9, 8], [2, 0]], atol=1e-5)


def test_a_clusterer_is_taken_by_its_name(add: Add) -> None:
    add(clustering.REGISTRY, "best", "BestMatch")
    clusterer = clustering.REGISTRY.build("best")
    edges = np.array([[0, 1], [1, 2], [2, 3]])
    assert clusterer.cluster(4, edges, np.array([0.9, 0.6, 0.8])).tolist() == [0, 0, 2, 2]
