"""Whatever sources are called, what is named after them can be taken apart again."""

from __future__ import annotations

from itertools import combinations

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


KINDS = [names.kind_name(some) for n in range(3) for some in combinations(MODALITIES, n)]


def test_a_pair_of_kinds_has_one_name_and_gives_them_back_in_order() -> None:
    for a in KINDS:
        for b in KINDS:
            assert names.pair_name(a, b) == names.pair_name(b, a)
            assert names.kinds_of(names.pair_name(a, b)) == tuple(sorted((a, b)))


@given(st.lists(st.sampled_from(KINDS), min_size=1))
def test_a_mix_of_kinds_gives_each_back_once(kinds: list[str]) -> None:
    assert names.kinds_of(names.mix_name(kinds)) == tuple(sorted(set(kinds)))


@given(sources, sources, sources)
def test_a_direction_between_fields_gives_sources_and_fields_back(source: str, a: str, b: str) -> None:
    name = names.direction_name(names.side_name(source, a), names.side_name(source, b))
    assert [names.side_of(side) for side in names.direction_of(name)] == [(source, a), (source, b)]


@given(sources, sources, measures)
def test_evidence_gives_its_fields_and_its_measure_back(left: str, right: str, measure: str) -> None:
    assert names.evidence_of(f"{left}~{right}/{measure}") == (left, right, measure)


def test_measures_of_pairs_by_themselves_are_not_mixed_up_with_those_beside_their_rivals() -> None:
    metrics = {names.metric_name(m, "image-text"): m for m in ("brier", names.by_itself("brier"))}
    assert names.about("brier", metrics) == {"image-text": "brier"}


@given(st.integers(1, 10**6))
def test_the_depth_of_recall_at_k_is_k(k: int) -> None:
    assert names.depth_of(names.recall_at(k)) == k
