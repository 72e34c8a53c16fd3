"""A small report with every section, and a browser to open it in."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from xmer_spark.report.data import (
    Breakdown,
    Calibration,
    Confusion,
    Content,
    Curve,
    Distribution,
    Entity,
    Gallery,
    Judged,
    Measure,
    Provenance,
    Ranking,
    Record,
    Reject,
    ReportData,
    ScoredPair,
    Stage,
)

HOSTILE = """<script>document.title="owned"</script><img src=x onerror="document.title='owned'">"'}}{{7*7}}"""
#: Opens a page and returns the document as it is after its scripts ran.
Browser = Callable[[str, str], str]


def png(colour: tuple[int, int, int] = (200, 30, 30), side: int = 16) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(out, "PNG")
    return out.getvalue()


def entity(number: int, title: str, *records: Record, label: str = "animals") -> Entity:
    return Entity(f"entity-{number}", title, records, label, cohesion=0.9, lowest_link=0.7)


def provenance() -> Provenance:
    return Provenance("f00d", "3", "warehouse", {"members": 4, "entities": 5})


@pytest.fixture
def report() -> ReportData:
    picture = Content("photo", "image", image=png())
    image = Record("g/1", "google", [picture], probability=0.93, truth="right")
    text = Record("c/1", "cldr", [Content("name", "text", "red panda")], probability=0.93, truth="right")
    stray = Record("c/2", "cldr", [Content("name", "text", "blue whale")], probability=0.61, truth="wrong")
    lost = Record("c/3", "cldr", [Content("name", "text", "green frog")], truth="missing")
    row = Record("t/1", "table", fields={"weight": "4 kg", "eats_most": "bamboo"}, truth="right")
    words = Content("title", "text", "A frog in the garden, seen from above")
    shop = Record("s/1", "shop", [picture, words], {"price": "4.50"}, 0.77, "right")
    features = Record("w/1", "wiki", [Content("bow", "text")], truth="right")
    score = Measure("Recall", 0.5, 0.4, 0.6)
    bins = np.array([0.1, 0.9])
    return ReportData(
        name="Animals",
        created="2025-01-01",
        facts={"items": 1234, "entities": 3},
        provenance=provenance(),
        description="Pictures and words.",
        measures=[Measure("Pair F1", 0.61, 0.58, 0.64), Measure("Calibration error", 0.012)],
        limits="Few pictures.",
        gallery=Gallery(
            [
                entity(1, "Red panda", image, text),
                entity(2, "Whale", image, stray),
                entity(3, "Frog", image, lost, shop, row, features, label="plants"),
            ],
            total=3210,
            chosen="drawn by hash",
        ),
        false_pairs=[
            ScoredPair(
                shop,
                stray,
                0.97,
                0.62,
                {"photo~name/cosine": 0.81, "title~name/token_set": 0.25, "title~name/codes": None},
            )
        ],
        missed_pairs=[ScoredPair(row, lost, None, note="no blocker proposed it")],
        by_kinds=[Breakdown("all", [score]), Breakdown("image – text", [score])],
        by_holding=[Breakdown("image, text", [score], 31), Breakdown("image, row, text", [score], 12)],
        decided=Judged(
            [
                Curve("image-text", [0.9, 0.5, 0.1], [1.0, 0.8, float("nan")], [0.2, 0.6, 0.9], 0.7, 0.4),
                Curve("text-text", np.array([0.9]), np.array([1.0]), np.array([1.0]), 1.0),
            ],
            [Calibration("image-text", bins, bins, bins - 0.05, bins + 0.05, np.array([9000, 300]), 0.01)],
            [Distribution("image-text", np.linspace(0, 1, 3), np.array([0, 7]), np.array([9000, 2]))],
        ),
        by_itself=Judged([Curve("image-text", [0.5], [0.5], [0.5], 0.25)]),
        rankings=[Ranking("image → text", 572, 600, {1: score, 10: score}, score, 41)],
        confusions=[Confusion("image → text", ["animals", "plants"], np.array([[3, 1], [0, 2]]))],
        stages=[Stage("items", 1234), Stage("candidate pairs", 5678, "98 % spared")],
        job_seconds={"ingest": 1.5, "extract": 75.0},
        rejects=[Reject("empty_text", 2, [("names/7", "no letters")])],
    )


def hostile(value: object) -> object:
    """Every string in the data replaced by one that tries to run a script."""
    if isinstance(value, str):
        return HOSTILE
    if isinstance(value, dict):
        return {HOSTILE if isinstance(k, str) else k: hostile(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [hostile(part) for part in value]
    if hasattr(value, "__dataclass_fields__"):
        kept = {"modality", "truth"}
        changed = {f.name: hostile(getattr(value, f.name)) for f in fields(value) if f.name not in kept}  # type: ignore[arg-type]
        return replace(value, **changed)  # type: ignore[type-var]
    return value


@pytest.fixture
def hostile_report(report: ReportData) -> ReportData:
    return hostile(report)  # type: ignore[return-value]


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Browser:
    program = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None
    )
    if program is None:
        pytest.skip("no Chromium on this machine: the page was not opened in a browser")
    folder = tmp_path_factory.mktemp("browser")

    def opened(page: str, address: str = "") -> str:
        file = Path(folder) / "page.html"
        file.write_text(page, "utf-8")
        command = [
            program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            f"--user-data-dir={folder / 'profile'}", "--dump-dom",
            f"{file.as_uri()}{address}",
        ]  # fmt: skip
        return subprocess.run(command, capture_output=True, check=True, timeout=300).stdout.decode()

    return opened
