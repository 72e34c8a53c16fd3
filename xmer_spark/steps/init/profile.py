"""What the values of a column look like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from xmer_spark.config import Ingest
from xmer_spark.steps.init.sample import PICTURES

_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_DAY, _LATER_DAY, _YEAR = r"\d{1,2}", r"(?:1[3-9]|2\d|3[01])", r"(?:1[5-9]|20)\d\d"
_ISO = r"\d{4}[-/]\d{1,2}(?:[-/.]\d{1,2}(?:[t ][\d:.,]+\s?(?:z|utc|[+-]\d\d:?\d\d)?)?)?"
_DATES = (
    _ISO,
    _YEAR,
    rf"{_DAY}\.\s?{_DAY}\.\s?\d{{4}}",
    rf"{_LATER_DAY}[/-]{_DAY}[/-]\d{{4}}",
    rf"{_DAY}[/-]{_LATER_DAY}[/-]\d{{4}}",
    rf"{_DAY}(?:st|nd|rd|th|\.)?[\s-]*{_MONTH}[\s.,-]*\d{{4}}",
    rf"{_MONTH}[\s.-]*{_DAY}(?:st|nd|rd|th)?[\s,-]+\d{{4}}",
    rf"{_MONTH}[\s.,-]*\d{{4}}",
)
_NUMBERS = (
    r"\d+\.?\d*(?:e[-+]?\d+)?",
    r"\.\d+",
    r"\d{1,3}(?:,\d{3})+\.\d+",
    r"\d{1,3}(?:,\d{3}){2,}",
    r"\d+,\d{1,2}",
)
#: What a whole value in small letters is. Numbers and dates are the ones that ingest can read, no others:
#: what it cannot read it would refuse.
LOOKS = {
    "number": rf"[-+]?[$€£¥]?\s?(?:{'|'.join(_NUMBERS)})\s?[$€£¥]?[.,;:]*",
    "integer": r"[-+]?\d+(?:\.0+)?",
    "year": rf"{_YEAR}(?:\.0+)?[.,;:]*",
    "zero": r"0\d+",  # a number would lose its zero
    "date": rf"[(]?(?:{'|'.join(_DATES)})[.,;:)]*",
    "either": rf"{_DAY}[/-]{_DAY}[/-]\d{{4}}",  # 03/04/1998 may be two days
    "list": r"\[.*\]",
    "code": r"(?=.*\d)[\w.:+#/-]{2,}",
    "phone": r"(?=(?:\D*\d){6})[+(]?\d[\d\s()/.-]*",
    "coordinates": r"[-+]?\d{1,2}\.\d+\s?[,; ]\s?[-+]?\d{1,3}\.\d+",
    "picture": r".*\.(?:" + "|".join(end[1:] for end in PICTURES) + ")",
}
_BLANK = r"[\s\u200b\ufeff]+"
#: Between the members of a set; the first that parts its values well is taken.
_BETWEEN = (";", "|", ",")


@dataclass(frozen=True)
class Parted:
    """Values that a separator parts: how many, how often a part comes again, and the parts' mean length."""

    separator: str
    share: float
    repeats: float
    mean_length: float


@dataclass(frozen=True)
class Profile:
    """A column in figures: counts of the rows seen, and shares of its values."""

    column: str
    rows: int
    filled: int
    exact: int  # distinct as they stand
    distinct: int  # distinct whatever their case and spaces
    form: str  # string, strings (a list of them), vector or bytes
    mean_length: float = 0.0
    mean_words: float = 0.0
    shares: tuple[tuple[str, float], ...] = ()
    parted: Parted | None = None
    low: float = float("nan")
    high: float = float("nan")
    values: frozenset[str] = frozenset()

    def share(self, look: str) -> float:
        return dict(self.shares).get(look, 0.0)

    @property
    def unique(self) -> float:
        """Distinct values by filled ones."""
        return self.distinct / max(self.filled, 1)

    @property
    def complete(self) -> bool:
        return 0 < self.rows == self.filled


def profile(column: str, values: np.ndarray) -> Profile:
    """The profile of an array (n) of strings, lists or bytes.

    >>> found = profile("price", np.array(["1", "2.50", "n/a", None, "2.50"], dtype=object))
    >>> found.filled, found.distinct, found.share("number")
    (3, 2, 1.0)
    """
    series = pd.Series(values, dtype=object).dropna()
    first = next(iter(series), None)
    if isinstance(first, bytes):
        return Profile(column, len(values), len(series), series.nunique(), series.nunique(), "bytes")
    if isinstance(first, list):
        return _of_lists(column, len(values), series[series.map(bool)])
    stripped = series.astype(str).str.replace(rf"^{_BLANK}|{_BLANK}$", "", regex=True)
    stripped = stripped[~stripped.str.lower().isin(Ingest().null_values)]
    return _of_strings(column, len(values), stripped)


def _of_strings(column: str, rows: int, values: pd.Series) -> Profile:
    plain = values.str.lower().str.replace(_BLANK, " ", regex=True)
    if not len(values):
        return Profile(column, rows, 0, 0, 0, "string")
    numbers = pd.to_numeric(values[values.str.fullmatch(LOOKS["number"])], errors="coerce")
    return Profile(
        column,
        rows,
        len(values),
        values.nunique(),
        plain.nunique(),
        "string",
        mean_length=float(values.str.len().mean()),
        mean_words=float(plain.str.count(" ").mean() + 1),
        shares=tuple((look, float(plain.str.fullmatch(form).mean())) for look, form in LOOKS.items()),
        parted=_parted(plain.drop_duplicates()),
        low=float(numbers.min()),
        high=float(numbers.max()),
        values=frozenset(plain.unique()),
    )


def _parted(values: pd.Series) -> Parted | None:
    """How the first separator does that parts enough of some distinct values.

    Of both ends the one that comes again less counts: addresses end in a city, but begin each with another
    street.
    """
    for separator in _BETWEEN:
        parts = values.str.strip(separator + " ").str.split(separator)
        count = parts.map(len)
        parts, varies = parts[count > 1], count.nunique() > 1
        if not varies:  # as in "May 8, 1999"
            continue
        ends = [parts.str[place].str.strip() for place in (0, -1)]
        found = Parted(
            separator,
            share=len(parts) / len(values),
            repeats=min(len(end) / end.nunique() for end in ends),
            mean_length=float(parts.map(lambda members: sum(map(len, members)) / len(members)).mean()),
        )
        if found.share >= 0.2:
            return found
    return None


def _of_lists(column: str, rows: int, values: pd.Series) -> Profile:
    numbers = values.map(lambda members: all(isinstance(member, (int, float)) for member in members))
    lengths = values.map(len)
    if len(values) and numbers.all() and lengths.nunique() == 1 and lengths.iloc[0] >= 8:
        return Profile(column, rows, len(values), len(values), len(values), "vector", float(lengths.iloc[0]))
    members = values.explode().dropna().astype(str).str.lower()
    return Profile(
        column,
        rows,
        len(values),
        len(values),
        members.nunique(),
        "strings",
        float(lengths.mean()) if len(values) else 0.0,
        values=frozenset(members.unique()),
    )
