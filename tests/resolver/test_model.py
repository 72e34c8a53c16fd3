"""A resolver is loaded as it was saved; what is no resolver, or one of another format, is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.resolver.small import PICTURES, TEXTS, Small
from xmer_spark.errors import XmerError
from xmer_spark.resolver.model import Resolver, load_extractors


@pytest.fixture
def folder(fitted: Small, tmp_path: Path) -> Path:
    return fitted.save(tmp_path / "resolver")


@pytest.mark.parametrize(("modality", "contents"), [("image", PICTURES), ("text", TEXTS)])
def test_a_loaded_resolver_embeds_raw_items_to_the_last_bit_as_before(
    fitted: Small, folder: Path, modality: str, contents: list[object]
) -> None:
    loaded, extractors = Resolver.load(folder), load_extractors(folder)
    assert loaded.extractors == {m: [e.identity()] for m, e in fitted.extractors.items()}
    vectors = extractors[modality][0].extract(contents)
    assert np.array_equal(loaded.embed(modality, vectors), fitted.embeddings(modality, contents))


def test_a_folder_that_holds_no_resolver_is_named(tmp_path: Path) -> None:
    with pytest.raises(XmerError, match="holds no resolver"):
        Resolver.load(tmp_path)


def test_a_resolver_of_another_format_is_to_be_trained_again(folder: Path) -> None:
    file = folder / "resolver.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"format": 1}))
    with pytest.raises(XmerError, match=r"format 1 is not .*; train the model again"):
        Resolver.load(folder)
