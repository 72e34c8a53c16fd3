"""Places as ``latitude,longitude`` in degrees."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from xmer_spark.sources.canonical.number import numbers
from xmer_spark.sources.canonical.told import told

#: Between latitude and longitude: a semicolon, or white space, or a single comma. The first that fits.
_FORMS = (
    r"^(?P<latitude>[^;]+);(?P<longitude>[^;]+)$",
    r"^(?P<latitude>\S+?),?\s+(?P<longitude>\S+)$",
    r"^(?P<latitude>[^,]+),(?P<longitude>[^,]+)$",
)
#: What joins the two columns of a place that is given in two.
JOINT = ";"


def places(values: pa.StringArray) -> tuple[pa.StringArray, pa.StringArray]:
    """Two plain decimals with a comma between them.

    >>> places(pa.array(["48.10, 11.5", "48,1;11,5"]))[0].to_pylist()
    ['48.1,11.5', '48.1,11.5']
    >>> places(pa.array(["95 11"]))[1].to_pylist()
    ["'95 11' is no latitude (-90 to 90) and longitude (-180 to 180)"]
    """
    parts = {name: pa.nulls(len(values), pa.string()) for name in ("latitude", "longitude")}
    for form in _FORMS:
        fitting = pc.extract_regex(values, form)
        parts = {n: pc.coalesce(found, pc.struct_field(fitting, n)) for n, found in parts.items()}
    latitude, longitude = (numbers(pc.utf8_trim_whitespace(part))[0] for part in parts.values())
    fine = pc.and_(_within(latitude, 90), _within(longitude, 180))
    written = pc.binary_join_element_wise(latitude, longitude, ",")
    wrong = pc.and_(pc.is_valid(values), pc.invert(fine))
    what = "is no latitude (-90 to 90) and longitude (-180 to 180)"
    return pc.if_else(fine, written, None), told(values, wrong, what)


def _within(numbers: pa.StringArray, most: int) -> pa.BooleanArray:
    return pc.fill_null(pc.less_equal(pc.abs(numbers.cast(pa.float64())), most), False)
