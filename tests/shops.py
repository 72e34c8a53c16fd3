"""Made-up tables that say the same in other words: shops, bibliographies, a catalogue with pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tests.pictures import png

MAKERS = ["Acme", "Borealis", "Corvid", "Dynamo", "Everest", "Falcon", "Granite", "Horizon"]
THINGS = ["lamp", "kettle", "radio", "camera", "speaker", "drill", "printer", "keyboard", "monitor", "fan"]
KINDS = ["compact", "silent", "portable", "heavy", "solar", "folding", "digital", "classic"]
COLOURS = {"red": (200, 30, 30), "green": (30, 170, 60), "blue": (40, 60, 200), "grey": (120, 120, 120)}

#: The columns of a table, each with its values.
Table = Mapping[str, Sequence[object]]


def products(count: int, seed: int = 0) -> list[dict[str, str]]:
    """Products with a name that ends in a code, a maker, a price and a colour."""
    random = np.random.default_rng(seed)
    found = []
    for number in range(count):
        maker, kind, thing = (str(random.choice(words)) for words in (MAKERS, KINDS, THINGS))
        code = f"{thing[:2].upper()}{random.integers(100, 999)}{number:03d}"
        found.append(
            {
                "name": f"{maker} {kind} {thing} {code}",
                "description": f"{kind} {thing} by {maker}, model {code}, {random.integers(5, 90)} watts",
                "price": f"{random.integers(10, 900)}.{random.integers(10, 99)}",
                "maker": maker,
                "colour": str(random.choice(list(COLOURS))),
            }
        )
    return found


def reworded(product: Mapping[str, str]) -> dict[str, str]:
    """The same product as another shop has it: other words, the code in brackets, most prices as they are."""
    maker, kind, thing, code = product["name"].split()
    return {**product, "name": f"{kind} {thing} ({code}) {maker}", "description": f"{maker} {thing} {code}"}


def write_table(path: Path, rows: Sequence[Mapping[str, object]], separator: str = ",") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [rows[0].keys(), *(row.values() for row in rows)]
    path.write_text("".join(separator.join(map(str, line)) + "\n" for line in lines), "utf-8")


def keyed(rows: Sequence[Mapping[str, str]], name: str = "id") -> list[dict[str, object]]:
    return [{name: number, **row} for number, row in enumerate(rows)]


def write_shops(folder: Path, first: str, second: str, shared: int = 120, alone: int = 30) -> None:
    """Two tables of products, ``shared`` of which both have, in files of these names."""
    known = [{k: v for k, v in row.items() if k != "description"} for row in products(shared + 2 * alone)]
    write_table(folder / first, keyed([*known[:shared], *known[shared : shared + alone]], "sku"))
    others = [{k: reworded({"description": "", **row})[k] for k in row} for row in known]
    write_table(folder / second, keyed([*others[:shared][::-1], *others[shared + alone :]], "sku"))


def write_abt_buy(folder: Path, shared: int = 120) -> None:
    """Two shops in the files and the shape of Abt-Buy."""
    columns = ("name", "description", "price")
    known = [{name: row[name] for name in columns} for row in products(shared)]
    write_table(folder / "abtclean.csv", keyed(known), "|")
    others = [{name: reworded(row)[name] for name in columns} for row in known][::-1]
    write_table(folder / "buyclean.csv", keyed(others), "|")
    truth = [{"D1": number, "D2": shared - 1 - number} for number in range(shared)]
    write_table(folder / "gtclean.csv", truth, "|")


def papers(count: int, seed: int = 0) -> list[dict[str, str]]:
    """Papers with words that few of them share, and authors, a venue and a year that many do."""
    random = np.random.default_rng(seed)
    syllables = ["ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu", "na", "pe", "ri", "so", "tu"]
    words = ["".join(random.choice(syllables, 3)) for _ in range(400)]
    names = [f"{chr(65 + number % 26)}. {word.title()}" for number, word in enumerate(words[:60])]
    return [
        {
            "title": " ".join(random.choice(words, 6, replace=False)),
            "authors": " and ".join(random.choice(names, 2, replace=False)),
            "venue": str(random.choice(["data conference", "journal of tables", "workshop on words"])),
            "year": str(random.integers(1990, 2005)),
        }
        for _ in range(count)
    ]


def write_dblp_acm(folder: Path, shared: int = 120) -> None:
    """Two bibliographies in the files and the shape of DBLP-ACM."""
    known = papers(shared)
    write_table(folder / "dblpclean.csv", keyed(known), "%")
    others = [{**row, "title": row["title"].upper(), "venue": row["venue"][:4]} for row in known]
    write_table(folder / "acmclean.csv", keyed(others), "%")
    write_table(folder / "gtclean.csv", [{"D1": n, "D2": n} for n in range(shared)], "%")


def write_cora(folder: Path, things: int = 40, times: int = 4) -> None:
    """Citations in the files and the shape of Cora: each paper several times, a word less each time."""
    unknown = ["address", "editor", "institution", "month", "note", "pages", "publisher", "volume"]
    empty = dict.fromkeys(unknown, "")
    rows = [
        {**empty, "author": row["authors"], "title": " ".join(row["title"].split()[: 6 - time]),
         "venue": row["venue"], "year": row["year"]}
        for row in papers(things) for time in range(times)
    ]  # fmt: skip
    write_table(folder / "cora.csv", keyed(rows, "Entity Id"), "|")
    pairs = [
        f"{thing * times + a}|{thing * times + b}\n"
        for thing in range(things) for a in range(times) for b in range(a + 1, times)
    ]  # fmt: skip
    (folder / "cora_gt.csv").write_text("".join(pairs))


def write_catalogue(folder: Path, count: int = 120) -> None:
    """Products in the files and the shape of the catalogue: photographs of their colour, and rows."""
    (folder / "photos").mkdir(parents=True)
    random, rows = np.random.default_rng(0), []
    for number, product in enumerate(products(count)):
        maker, kind, thing, _ = product["name"].split()
        picture = np.full((24, 24, 3), COLOURS[product["colour"]], np.uint8)
        picture[: 2 + THINGS.index(thing) * 2, : 2 + KINDS.index(kind) * 2] = 10 * MAKERS.index(maker)
        (folder / "photos" / f"{number}.jpg").write_bytes(png(picture))
        rows.append(
            {
                "id": number, "gender": random.choice(["Men", "Women"]), "masterCategory": maker,
                "subCategory": kind, "articleType": thing, "baseColour": product["colour"],
                "season": random.choice(["Summer", "Winter"]), "year": random.integers(2010, 2016),
                "usage": random.choice(["Casual", "Sports", "NA"]),
                "productDisplayName": f"{product['colour']} {kind} {thing} {maker}",
            }
        )  # fmt: skip
    write_table(folder / "rows.csv", rows)
