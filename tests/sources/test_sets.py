"""The sets that configurations are shipped for, read as these say."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.sources.tables import Read, Tables
from xmer_spark.config import Config, load_config

ROOT = Path(__file__).resolve().parents[2]


def test_the_bundled_sample_has_1906_entities_in_each_source_split_alike(read: Read) -> None:
    sources = [source.model_dump() for source in load_config(ROOT / "conf" / "demo.toml").source]
    found = read(*sources)
    assert found.rejects == []
    names = ["google", "twitter", "cldr", "short_names"]
    counts = Counter((row["source"], row["split"]) for row in found.records.values())
    for name in names:
        assert [counts[name, split] for split in ("train", "validation", "test")] == [1144, 190, 572]
    for what in ("entity", "split", "label"):
        told = [{(r["entity"], r[what]) for r in found.records.values() if r["source"] == n} for n in names]
        assert len(told[0]) == 1906
        assert told[1:] == told[:-1]
    assert set(found.items) == set(found.records)


def shipped(name: str) -> Config:
    return load_config(ROOT / "conf" / f"{name}.toml")


def everything(read: Read, config: Config, shared_data: Path) -> Tables:
    """The sources of a configuration, which lie in the shared folder."""

    def moved(section: Any) -> dict[str, Any]:
        return section.model_dump() | {"path": section.path.removeprefix("../shared/data/")}

    sources, truth = map(moved, config.source), [moved(each) for each in config.truth]
    return read(*sources, root=shared_data, truth=truth, **config.ingest.model_dump())


def test_wikipedia_has_2866_documents_of_two_contents(read: Read, shared_data: Path) -> None:
    found = everything(read, shipped("wikipedia"), shared_data)
    assert found.rejects == []
    sizes = Counter((row["field"], row["modality"], len(row["vector"])) for row in found.items.values())
    assert sizes == {("image", "image", 128): 2866, ("text", "text", 10): 2866}
    splits = Counter((row["source"], row["split"]) for row in found.records.values())
    assert splits["test", "test"] == 693
    assert splits["train", "validation"] == pytest.approx(2173 / 5, rel=0.1)
    first = found.records["train/b3150b0c281960b6a6d33407824fd40a-3"]
    assert (first["label"], first["entity"]) == ("media", "b3150b0c281960b6a6d33407824fd40a-3")


def test_web_news_has_10_missing_photographs_and_keeps_its_repeated_texts(
    read: Read, shared_data: Path
) -> None:
    found = everything(read, shipped("web_news"), shared_data)
    assert Counter((row["source"], row["field"], row["reason"]) for row in found.rejects) == {
        ("train", "image", "missing_file"): 7,
        ("test", "image", "missing_file"): 3,
    }
    assert len(found.records) == 2200
    assert Counter(row["modality"] for row in found.items.values()) == {"image": 2190, "text": 2200}
    texts = {row["content_hash"] for row in found.items.values() if row["modality"] == "text"}
    assert len(texts) == 2200 - 28


@pytest.mark.parametrize(
    ("name", "records", "entities"),
    [("abt_buy", 2140, 1076), ("dblp_acm", 4848, 2634), ("cora", 1295, 112), ("catalogue", 9795, 3265)],
)
def test_tables_with_truth_are_read_whole(
    name: str, records: int, entities: int, read: Read, shared_data: Path
) -> None:
    found = everything(read, shipped(name), shared_data)
    # Years such as 1996a, which tell citations of one year apart.
    refused = {("year", "bad_value")} if name == "cora" else set()
    assert {(row["field"], row["reason"]) for row in found.rejects} == refused
    assert len(found.records) == records
    assert len({row["entity"] for row in found.records.values()}) == entities
