"""What a column is for: the key, a field of some type, perhaps the truth, or nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from xmer_spark.schema import ContentType, ScalarType
from xmer_spark.steps.init.profile import Profile

Sure = Literal["sure", "likely", "unsure"]
#: Words of a column's name that say what it is, in the names that people give.
KEY_WORDS = {
    "id", "key", "sku", "isbn", "ean", "gtin", "upc", "asin", "uid", "uuid", "guid", "code", "no", "nr",
    "number", "doi", "handle", "identifier", "ref", "pk",
}  # fmt: skip
#: Keys that the whole world shares: worth comparing, too.
SHARED_KEYS = {"isbn", "issn", "ean", "gtin", "upc", "asin", "doi", "mpn", "orcid"}
CODE_WORDS = SHARED_KEYS | {
    "sku", "phone", "tel", "telephone", "fax", "zip", "zipcode", "postcode", "postal", "model", "barcode",
}  # fmt: skip
TRUTH_WORDS = {"label", "labels", "class", "target", "entity", "cluster", "truth", "gold"}
LATITUDE, LONGITUDE = ("lat", "latitude"), ("lon", "lng", "long", "longitude")

_FEW = 20  # distinct values that are few in any column of more rows
_ENOUGH = 0.95  # share of the values that must look alike
_CATEGORY = 0.2  # distinct values by filled ones


@dataclass(frozen=True)
class Guess:
    """A field's type, how sure that is, and why; and what else it could be."""

    type: ContentType | ScalarType
    sure: Sure
    why: str
    separator: str | None = None
    or_else: str | None = None

    @property
    def reasons(self) -> str:
        return self.why if self.or_else is None else f"{self.why}; {self.or_else}"


@dataclass(frozen=True)
class Key:
    """The column of the key, how sure that is, and why."""

    column: str
    sure: Sure
    why: str
    also_field: bool = False


def words(column: str) -> list[str]:
    """The words of a column's name.

    >>> words("productDisplay_Name 2")
    ['product', 'display', 'name', '2']
    """
    return re.findall(r"[^\W_]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", column).lower())


def is_truth(column: str) -> bool:
    """Whether a column's name says that it may hold what the resolution is to find out."""
    found = words(column)
    return bool(found) and found[0] in TRUTH_WORDS and set(found[1:]) <= {"id", "key", "name", "no"}


def find_key(profiles: Iterable[Profile]) -> Key | None:
    """The column that names each row once, as far as can be seen; None where there is none.

    A column that is called key but names a few rows twice is taken with a warning: the others are refused.
    """
    ranked = sorted(profiles, key=_as_key, reverse=True)
    if not ranked or _as_key(ranked[0]) == 0:
        return None
    best, rank = ranked[0], _as_key(ranked[0])
    why = f"{_of(best.exact, best.filled)} distinct"
    if rank in (4, 3):
        shared = not SHARED_KEYS.isdisjoint(words(best.column))
        return Key(best.column, "sure" if rank == 4 else "likely", why, also_field=shared)
    if rank == 2:
        return Key(
            best.column, "unsure", f"{why}: there is no better, an own column would be", also_field=True
        )
    lost = best.rows - best.exact
    return Key(best.column, "unsure", f"{lost:,} of {best.rows:,} repeat or are empty: they are refused")


def _as_key(column: Profile) -> int:
    named = not KEY_WORDS.isdisjoint(words(column.column)) or column.column.lower().endswith("id")
    names_all = column.complete and column.exact == column.filled and column.form == "string"
    whole = column.share("integer") >= _ENOUGH and column.filled >= _FEW
    if names_all and (named or whole or column.share("code") >= _ENOUGH > column.share("number")):
        return 4 if named else 3
    if names_all and column.mean_length <= 80 and column.share("number") < _ENOUGH:
        return 2
    return int(named and column.exact >= 0.5 * column.rows > 0)


def guess(column: Profile) -> Guess | None:
    """The type of a column's values; None where it holds nothing that could be compared."""
    if not column.filled or column.form == "vector":
        return None
    if column.form == "bytes":
        return Guess("image", "likely", "bytes")
    if column.form == "strings":
        return Guess(
            "set", "sure", f"lists of {column.mean_length:.1f} members, {column.distinct:,} distinct"
        )
    found = _looks(column) or _words(column)
    missing = 1 - column.filled / column.rows
    return replace(found, why=f"{found.why}, {missing:.0%} empty") if missing > 0.005 else found


def _looks(column: Profile) -> Guess | None:
    """The type of values that share a form."""
    distinct = f"{_of(column.distinct, column.filled)} distinct"
    code_name = not CODE_WORDS.isdisjoint(words(column.column))
    if column.share("coordinates") >= _ENOUGH:
        return Guess("place", "sure", "pairs of coordinates")
    if code_name and max(column.share("code"), column.share("phone"), column.share("integer")) >= 0.8:
        return Guess("identifier", "likely", f"{distinct}, codes by its name")
    if column.share("list") >= _ENOUGH:
        return Guess("set", "likely", "lists in brackets")
    if column.share("date") >= _ENOUGH > column.share("year"):
        return Guess("date", "sure", f"{column.share('date'):.0%} are dates")
    if column.share("either") >= 0.5:
        why = f"{1 - column.share('date'):.0%} may be two days and are refused: write them as 1998-03-04"
        return Guess("date", "unsure", why)
    if column.share("number") >= _ENOUGH:
        return _number(column, distinct)
    codes = max(column.share("code"), column.share("phone"))
    if codes >= 0.9 and column.unique > 0.5:
        return Guess("identifier", "likely", f"{distinct}, {codes:.0%} look like codes")
    return None


def _number(column: Profile, distinct: str) -> Guess:
    whole = column.share("integer") >= _ENOUGH
    if whole and (column.share("zero") > 0.05 or (column.low >= 1e9 and column.unique > 0.9)):
        type_: ScalarType = "identifier" if column.unique > _CATEGORY else "category"
        return Guess(type_, "likely", f"{distinct}, codes of digits")
    if whole and column.distinct <= 2 < column.filled:
        return Guess("category", "unsure", f"{distinct} numbers")
    spread = f"{column.low:g} to {column.high:g}"
    return Guess("number", "sure", f"{'years, ' if column.share('year') >= _ENOUGH else ''}{spread}")


def _words(column: Profile) -> Guess:
    """The type of values that are words."""
    distinct, mean = (
        f"{_of(column.distinct, column.filled)} distinct",
        f"mean {column.mean_length:.0f} characters",
    )
    few = column.distinct <= _FEW and column.unique <= 0.5
    parted = column.parted
    if parted and not few and parted.repeats >= 1.25 and parted.mean_length <= 30:
        why = f"{parted.share:.0%} hold a {parted.separator!r} between parts that come again"
        return Guess("set", "likely", why, parted.separator)
    if column.mean_length <= 50 and (few or (column.unique <= _CATEGORY and column.filled > _FEW)):
        return Guess("category", "sure" if column.unique <= 0.05 else "likely", distinct)
    if column.mean_words <= 12 and column.mean_length <= 80:
        if column.mean_words <= 8:
            return Guess("name", "likely", f"{distinct}, {mean}")
        return Guess(
            "name", "unsure", f"{distinct}, {mean}", or_else="or a text, compared by its meaning, too"
        )
    return Guess("text", "sure" if column.mean_words > 12 else "likely", f"{distinct}, {mean}")


def _of(count: int, total: int) -> str:
    return f"{count:,} of {total:,}"
