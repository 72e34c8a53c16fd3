from __future__ import annotations

from pathlib import Path

import pytest

from xmer_spark.config import load_config
from xmer_spark.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
SMALL = """
name = "small"
[[source]]
name = "shop"
kind = "csv"
path = "shop.csv"
key = "id"
fields.name = {type = "text"}
"""
PAIRS = """
[[truth]]
path = "pairs.csv"
left = "a"
right = "b"
left_source = "shop"
right_source = "%s"
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path


@pytest.mark.parametrize("path", sorted((ROOT / "conf").glob("*.toml")), ids=lambda p: p.name)
def test_every_configuration_that_is_shipped_loads(path: Path) -> None:
    config = load_config(path)
    assert config.source or config.benchmark


def test_a_key_can_be_replaced_from_the_command_line(small: Path) -> None:
    config = load_config(small, ["space.method=jrl", "seed=3", "source.shop.path=other.csv"])
    assert (config.space.method, config.seed, config.source[0].path) == ("jrl", 3, "other.csv")


def test_an_unknown_key_is_named_with_what_is_allowed(small: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"hashing\.bit: unknown key; allowed here: bits, method, parameters"
    ):
        load_config(small, ["hashing.bit=64"])


def test_a_wrong_value_is_named(small: Path) -> None:
    with pytest.raises(ConfigError, match=r"hashing\.bits: must be a multiple of 64, not 70"):
        load_config(small, ["hashing.bits=70"])


def test_an_unknown_source_is_named_with_those_that_are_there(small: Path) -> None:
    with pytest.raises(ConfigError, match="known: shop"):
        load_config(small, ["source.store.path=x"])


def test_what_is_kept_must_have_been_weighed(small: Path) -> None:
    with pytest.raises(ConfigError, match="rival_threshold: at most review_threshold"):
        load_config(small, ["scoring.review_threshold=0.0001"])


def test_two_sources_cannot_share_a_name(small: Path) -> None:
    small.write_text(SMALL + SMALL.split("\n", 2)[2])
    with pytest.raises(ConfigError, match="repeated: shop"):
        load_config(small)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such configuration file"):
        load_config(tmp_path / "none.toml")


def test_what_is_not_toml_is_refused_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_text("name = ")
    with pytest.raises(ConfigError, match="not valid TOML"):
        load_config(path)


def test_a_field_s_key_that_is_unknown_is_named_with_what_is_allowed(small: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"source\.0\.fields\.name\.colum: unknown key; allowed here: column, "
    ):
        load_config(small, ["source.shop.fields.name.colum=x"])


def test_truth_names_sources_that_are_there_and_have_no_entity_of_their_own(small: Path) -> None:
    small.write_text(SMALL + PAIRS % "store")
    with pytest.raises(ConfigError, match="no source store; known: shop"):
        load_config(small)
    small.write_text(SMALL + PAIRS % "shop")
    assert load_config(small).truth[0].complete
    with pytest.raises(ConfigError, match="shop has its entities in a column"):
        load_config(small, ["source.shop.entity=thing"])


FIELDS = """
[[source]]
name = "museum"
kind = "json"
path = "museum.json"
key = "id"
[source.fields]
photo = {type = "image", file = "{id}.png"}
seen = {type = "date"}
shape = {type = "vector", modality = "image", file = "{id}.npy"}
"""


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("trust=['shop', 'store']", r"entities\.trust: must name sources, each once .*; known: shop, museum"),
        ("trust=['shop', 'shop']", r"entities\.trust: must name sources, each once"),
        ("values.colour='longest'", r"entities\.values\.colour: there is no .*; known: name, photo, seen$"),
        ("values.shape='newest'", r"entities\.values\.shape: there is no such field with values"),
        ("values.name='newest'", r"entities\.values\.name\.by: newest goes by a date field; known: seen"),
        ("values.name={rule = 'newest', by = 'name'}", r"values\.name\.by: newest goes by a date field"),
        ("values.name={rule = 'longest', by = 'seen'}", r"values\.name\.by: only newest goes by a field"),
        ("values.photo='longest'", r"photo: longest does not fit image; allowed: most_trusted, newest, best"),
        ("values.name='best_picture'", r"name: best_picture does not fit text; allowed: most_trusted, most"),
        ("values.name='oldest'", r"entities\.values\.name\.rule: Input should be 'most_trusted', 'most_freq"),
        (
            "values.name={rle = 'longest'}",
            r"entities\.values\.name\.rle: unknown key; allowed here: by, rul",
        ),
    ],
)
def test_rules_of_values_that_fit_nothing_are_named_with_what_is_allowed(
    small: Path, setting: str, said: str
) -> None:
    small.write_text(SMALL + FIELDS)
    with pytest.raises(ConfigError, match=said):
        load_config(small, [f"entities.{setting}"])


def test_every_field_but_vectors_has_a_rule_and_every_source_a_place(small: Path) -> None:
    small.write_text(SMALL + FIELDS)
    config = load_config(small, ["entities.values.photo={rule = 'newest', by = 'seen'}"])
    rules = {name: (each.rule, each.by) for name, each in config.entities.rules(config.source).items()}
    assert rules == {
        "name": ("longest", None), "photo": ("newest", "seen"), "seen": ("most_frequent", None)
    }  # fmt: skip
    assert config.entities.sources(config.source) == ["museum", "shop"]
    config = load_config(small, ["entities.trust=['shop']"])
    assert config.entities.sources(config.source) == ["shop", "museum"]
