"""Made-up records for tests: products that two shops describe in their own words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from xmer_spark.blocking.records import REGISTRY
from xmer_spark.blocking.records.base import RecordBlocker, Records

WORDS = 400
#: Words have no digits, which would make them codes.
LETTERS = str.maketrans("0123456789", "abcdefghij")
BRANDS = ("Äpfel & Co", "bose", "canon", "dyson", "epson", "fuji")


def products(count: int, seed: int, things: int = 0, first_key: int = 0) -> Records:
    """``count`` rows about ``things`` things (as many, unless told), in the order of their random keys.

    A thing has a name of rare and common words, a code, a brand, a year and a binary code; a row drops or
    changes some of it, as its seed has it, and some values are missing.
    """
    things = things or count
    fixed, own = np.random.default_rng(7), np.random.default_rng(seed)
    rare = fixed.integers(0, WORDS, (things, 3))
    common = fixed.integers(0, 8, things)
    bits = fixed.integers(0, 2**63, (things, 2), np.int64)
    thing = np.arange(count) % things
    names, codes, brands, years, binary = [], [], [], [], []
    for row in thing:
        words = [f"w{word:03d}x".translate(LETTERS) for word in rare[row]] + [
            f"common{common[row]}".translate(LETTERS)
        ]
        kept = [word for word in own.permutation(words) if own.random() > 0.2]
        names.append(" ".join(kept).title() if own.random() > 0.05 else None)
        dash = "-" if own.random() > 0.5 else ""
        codes.append(f"AB{dash}{row:05d}" if own.random() > 0.4 else None)
        brands.append(BRANDS[row % len(BRANDS)])
        years.append(str(1990 + row % 30) if own.random() > 0.1 else "")
        flips = own.integers(0, 64, 3)
        word = bits[row].copy()
        word[0] ^= np.bitwise_xor.reduce(np.int64(1) << flips)
        binary.append(word.tolist() if own.random() > 0.2 else None)
    keys = own.permutation(count * 5)[:count].astype(np.int64) * 2 + first_key
    table = pa.table(
        {
            "record_key": keys,
            "name": names,
            "model": pa.array(codes, pa.string()),
            "brand": brands,
            "year": years,
            "photo/code": pa.array(binary, pa.list_(pa.int64())),
        }
    ).append_column("thing", pa.array(thing))
    table = table.sort_by("record_key")
    return Records(table["record_key"].to_numpy(), table)


def things(records: Records) -> np.ndarray:
    found: np.ndarray = records.table["thing"].to_numpy()
    return found


PARAMETERS: dict[str, dict[str, Any]] = {
    "canopy": {"loose": 0.2, "tight": 0.5},
    "codes": {"field": "photo/code", "method": "radius", "settings": {"radius": 6}},
    "nearest_codes": {"field": "photo/code", "top": 2},
    "rules": {"rules": [["model:signless"], ["brand", "year", "name:first3"]]},
    "sorted_neighbourhood": {"by": ["name", "year"], "window": 4},
    "tokens": {"top": 3},
}


def blocker(name: str, **changes: Any) -> RecordBlocker:
    found: RecordBlocker = REGISTRY.build(name, {**PARAMETERS[name], **changes})
    return found
