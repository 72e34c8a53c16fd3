"""Whatever sources are called, what is named after them can be taken apart again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from xmer_spark import names
from xmer_spark.schema import MODALITIES

#: What the configuration allows as the name of a source.
sources = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]*", fullmatch=True)
measures = st.from_regex(r"[a-z][a-z0-9_]*", fullmatch=True)


@given(sources, sources)
def test_a_direction_gives_its_two_sources_back(query: str, gallery: str) -> None:
    assert names.direction_of(names.direction_name(query, gallery)) == (query, gallery)


@given(st.lists(st.tuples(measures, sources, sources), unique=True, max_size=6), measures)
def test_the_metrics_of_a_measure_are_found_by_what_they_are_about(
    named: list[tuple[str, str, str]], wanted: str
) -> None:
    metrics = {names.metric_name(m, names.direction_name(a, b)): (m, a, b) for m, a, b in named}
    assert len(metrics) == len(named)
    for measure in {wanted, *(m for m, _, _ in named)}:
        found = names.about(measure, metrics)
        expected = {names.direction_name(a, b): (m, a, b) for m, a, b in named if m == measure}
        assert found == expected


def test_a_pair_of_modalities_has_one_name_and_gives_them_back_in_order() -> None:
    for a in MODALITIES:
        for b in MODALITIES:
            assert names.pair_name(a, b) == names.pair_name(b, a)
            assert names.modalities_of(names.pair_name(a, b)) == tuple(sorted((a, b)))


@given(st.integers(1, 10**6))
def test_the_depth_of_recall_at_k_is_k(k: int) -> None:
    assert names.depth_of(names.recall_at(k)) == k
