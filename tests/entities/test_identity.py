"""Entities keep their ids, and every change is explained."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from xmer_spark.entities.identity import Decision, decide, mint, overlaps

Partition = dict[int, int]  # record -> any label
Membership = dict[int, str]  # record -> entity id


class History:
    """Entities over a sequence of runs."""

    def __init__(self) -> None:
        self.members: Membership = {}
        self.age: dict[str, int] = {}
        self.runs = 0

    def run(self, partition: Partition) -> Decision:
        least: dict[int, int] = {}
        for record, label in sorted(partition.items()):
            least.setdefault(label, record)
        clusters = np.array([least[label] for label in partition.values()], np.int64)
        entities = list(self.members.values())
        before = overlaps(
            np.array(list(self.members), np.int64),
            np.array(entities, dtype=object),
            np.array([self.age[entity] for entity in entities], np.int64),
            np.array(list(partition), np.int64),
            clusters,
        )
        decision = decide(before, f"run{self.runs}")
        ids = dict(zip(before.cluster.tolist(), decision.ids, strict=True))
        assert len(set(ids.values())) == len(ids), "one id for two clusters"
        self.members = {record: ids[least[label]] for record, label in partition.items()}
        for entity in self.members.values():
            self.age.setdefault(entity, self.runs)
        self.runs += 1
        return decision


def _plain(value: object) -> object:
    return value.tolist() if isinstance(value, np.ndarray) else value


def parts(members: Membership) -> dict[str, set[int]]:
    result: dict[str, set[int]] = {}
    for record, entity in members.items():
        result.setdefault(entity, set()).add(record)
    return result


partitions = st.dictionaries(st.integers(-8, 12), st.integers(0, 5), max_size=18)


@given(st.lists(partitions, min_size=1, max_size=5))
@settings(max_examples=120, deadline=None)
def test_every_change_is_one_explained_set_of_events(sequence: list[Partition]) -> None:
    history = History()
    retired: set[str] = set()
    for partition in sequence:
        before = parts(history.members)
        events = history.run(partition).events.to_pandas()
        after = parts(history.members)

        assert sorted(map(sorted, after.values())) == sorted(
            sorted(i for i in partition if partition[i] == label) for label in set(partition.values())
        )
        assert not retired & set(after), "an id was used again"
        retired |= set(before) - set(after)

        kinds = events.groupby("entity_id").kind.agg(set).to_dict()
        for entity in set(before) | set(after):
            old, new = before.get(entity, set()), after.get(entity, set())
            kind = kinds.pop(entity, set())
            gained, lost = kind & {"merged", "grown"}, kind & {"split", "shrunk"}
            if not old:
                assert kind == {"created"}
            elif not new:
                assert kind == {"retired"}
            else:
                assert (len(gained), len(lost)) == (int(bool(new - old)), int(bool(old - new)))
                assert kind == gained | lost
        assert not kinds

        counts = events.drop_duplicates("entity_id")
        assert (counts.records_after - counts.records_before).sum() == len(history.members) - sum(
            map(len, before.values())
        )
        for event in events.itertuples():
            old, new = before.get(event.entity_id, set()), after.get(event.entity_id, set())
            assert (event.records_before, event.records_after) == (len(old), len(new))
            if event.kind in ("created", "merged", "grown"):
                assert list(event.others) == sorted(
                    e for e in before if e != event.entity_id and before[e] & new
                )
            else:
                assert list(event.others) == sorted(
                    e for e in after if e != event.entity_id and after[e] & old
                )
        assert events.event_id.is_unique


@given(partitions)
@settings(max_examples=40, deadline=None)
def test_the_same_partition_again_keeps_all_ids_and_makes_no_event(partition: Partition) -> None:
    history = History()
    history.run(partition)
    members = history.members
    assert history.run(partition).events.num_rows == 0
    assert history.members == members


@given(partitions, partitions)
@settings(max_examples=80, deadline=None)
def test_an_entity_that_keeps_most_of_its_members_keeps_its_id_unless_an_older_one_is_there(
    first: Partition, second: Partition
) -> None:
    history = History()
    history.run(first)
    before = parts(history.members)
    history.run(second)
    for entity, records in before.items():
        remaining = [history.members[record] for record in records if record in history.members]
        for place in set(remaining):
            if 2 * remaining.count(place) > len(remaining) and place != entity:
                assert place in before
                others = [history.members[i] for i in before[place] if i in history.members]
                assert 2 * others.count(place) > len(others)
                assert place < entity  # all are of one age here, and the lesser id decides


@given(partitions, partitions, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_order_in_which_overlaps_are_found_decides_nothing(
    first: Partition, second: Partition, random: Random
) -> None:
    history = History()
    history.run(first)
    records, entities = list(history.members), list(history.members.values())
    found = overlaps(
        np.array(records, np.int64),
        np.array(entities, dtype=object),
        np.array([history.age[entity] for entity in entities], np.int64),
        np.array(list(second), np.int64),
        np.array(list(second.values()), np.int64),
    )
    order = np.array(random.sample(range(len(found.records)), len(found.records)), np.int64)
    shuffled = replace(
        found, entity=found.entity[order], place=found.place[order], records=found.records[order]
    )
    plain, other = decide(found, "run1"), decide(shuffled, "run1")
    assert plain.ids.tolist() == other.ids.tolist()
    assert plain.events.equals(other.events)


def test_a_merge_keeps_the_older_id_and_a_split_leaves_it_with_the_larger_part() -> None:
    history = History()
    history.run({1: 0, 2: 0})
    history.run({1: 0, 2: 0, 3: 1, 4: 1, 5: 1})
    old, young = history.members[1], history.members[3]
    events = history.run(dict.fromkeys(range(1, 6), 0)).events.to_pandas()
    assert set(history.members.values()) == {old}
    assert events[["kind", "entity_id", "others"]].map(_plain).to_numpy().tolist() == sorted(
        [["merged", old, [young]], ["retired", young, [old]]], key=lambda row: row[1]
    )
    events = history.run({1: 0, 2: 0, 3: 1, 4: 1, 5: 1}).events.to_pandas()
    assert history.members[3] == old
    assert history.members[1] not in (old, young)
    assert set(events.kind) == {"split", "created"}


def test_new_ids_hang_on_the_run_and_the_least_record_alone() -> None:
    history = History()
    history.run({7: 0, 3: 0})
    assert set(history.members.values()) == {mint("run0", 3)}
    assert mint("run0", 3) != mint("run1", 3)
