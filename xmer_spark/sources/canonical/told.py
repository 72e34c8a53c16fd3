"""What is wrong with a value, said of a whole column at once."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

_SHOWN = 100


def told(values: pa.StringArray, wrong: pa.BooleanArray, what: str) -> pa.StringArray:
    """A sentence about each value where something is wrong, null elsewhere.

    >>> told(pa.array(["a", "1"]), pa.array([True, False]), "is no number").to_pylist()
    ["'a' is no number", None]
    """
    shown = pc.utf8_slice_codeunits(values, 0, _SHOWN)
    sentences = pc.binary_join_element_wise(
        pa.scalar("'"), shown, pa.scalar("' "), pa.scalar(what), pa.scalar("")
    )
    return pc.if_else(pc.fill_null(wrong, False), sentences, None)
