"""Key expressions: a field, or a part of it by name, as what equal records agree in.

``brand`` is the whole value, normalised; ``title:first3`` the first three letters or digits of it;
``name~label:digits`` compares the left source's name with the right source's label.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from xmer_spark.blocking.base import Side
from xmer_spark.blocking.records.base import check_columns, column_of
from xmer_spark.blocking.records.text import normalised
from xmer_spark.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa

_SIGNS = r"[^\p{L}\p{M}\p{N}]+"


def _without(pattern: str) -> Callable[[pa.Array], pa.Array]:
    def transform(text: pa.Array) -> pa.Array:
        import pyarrow.compute as pc

        return pc.replace_substring_regex(text, pattern=pattern, replacement="")

    return transform


def _first(pattern: str) -> Callable[[pa.Array], pa.Array]:
    """What the pattern finds first; nothing where it finds nothing."""

    def transform(text: pa.Array) -> pa.Array:
        import pyarrow.compute as pc

        return pc.struct_field(pc.extract_regex(text, pattern=f"(?P<found>{pattern})"), "found")

    return transform


def _start(length: int) -> Callable[[pa.Array], pa.Array]:
    def transform(text: pa.Array) -> pa.Array:
        import pyarrow.compute as pc

        return pc.utf8_slice_codeunits(_without(_SIGNS)(text), 0, length)

    return transform


#: What a key can be of a normalised value, by name.
TRANSFORMS: dict[str, Callable[[pa.Array], pa.Array]] = {
    "text": lambda text: text,
    "signless": _without(_SIGNS),
    "first3": _start(3),
    "first5": _start(5),
    "first_word": _first(r"[\p{L}\p{M}\p{N}]+"),
    "last_word": _first(r"[\p{L}\p{M}\p{N}]+[^\p{L}\p{M}\p{N}]*$"),
    "digits": _without(r"[^\p{N}]+"),
    "year": _first(r"\b(?:1[5-9]|20)[0-9]{2}\b"),
    "whole_number": _first(r"^-?[0-9]+"),
}


class Key(NamedTuple):
    """A key expression, read: its field, or its left and right one, and the transform's name."""

    field: str
    transform: str

    def of(self, side: Side, table: pa.Table) -> pa.Array:
        """The keys of the records of one side: n strings, missing where a record has none.

        >>> import pyarrow as pa
        >>> titles = pa.table({"title": ["The 39 Steps", "1984", "?", None]})
        >>> key("title:digits").of("left", titles).to_pylist()
        ['39', '1984', None, None]
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        column = column_of(side, self.field)
        check_columns([column], table.column_names)
        text = TRANSFORMS[self.transform](normalised(table[column]))
        return pc.if_else(pc.equal(pc.utf8_length(text), 0), pa.scalar(None, pa.string()), text)


def key(expression: str) -> Key:
    """The key that an expression means; a ConfigError names a transform that there is not.

    >>> key("name~label:first3")
    Key(field='name~label', transform='first3')
    """
    field, _, transform = expression.partition(":")
    if not field or (transform and transform not in TRANSFORMS):
        raise ConfigError(
            f"blocking: {expression!r} is no key: it is a field, or field:transform with one of "
            + ", ".join(sorted(TRANSFORMS))
        )
    return Key(field, transform or "text")
