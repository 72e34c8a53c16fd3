"""Numbers and names as people read them."""

from __future__ import annotations

from numbers import Integral

from xmer_spark.names import AND, direction_of, kinds_of, side_of


def ratio(value: float) -> str:
    """Three decimals, and more where three would turn a share into none or all.

    >>> ratio(0.51234), ratio(0.99987), ratio(1.0), ratio(0.00004)
    ('0.512', '0.9999', '1.000', '0.00004')
    """
    for decimals in range(3, 7):
        text = f"{value:.{decimals}f}"
        if float(text) not in (0.0, 1.0) or float(text) == value:
            return text
    return text


def probability(value: float) -> str:
    """Two decimals, without claiming certainty.

    >>> probability(0.873), probability(0.9999), probability(0.001), probability(1.0)
    ('0.87', '> 0.99', '< 0.01', '1')
    """
    if value in (0.0, 1.0):
        return f"{value:.0f}"
    if value > 0.99:
        return "> 0.99"
    return "< 0.01" if value < 0.01 else f"{value:.2f}"


def number(value: float | str | None) -> str:
    """A count with separators, a measured number with three significant digits, anything else as it is.

    >>> number(1234567), number(0.12345), number("CCA"), number(None)
    ('1,234,567', '0.123', 'CCA', '')
    """
    if value is None or isinstance(value, str):
        return value or ""
    if value % 1 == 0 or abs(value) >= 1000:
        return _signed(f"{value:,.0f}")
    return _signed(f"{value:.3g}")


def measured(value: float) -> str:
    """Two decimals; a whole number, such as a Hamming distance, as it is.

    >>> measured(0.8049), measured(-1.5), measured(64)
    ('0.80', '−1.50', '64')
    """
    return _signed(f"{value:,d}" if isinstance(value, Integral) else f"{value:.2f}")


def _signed(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")


def duration(seconds: float) -> str:
    """Seconds in the units that one would say.

    >>> duration(0.42), duration(8.26), duration(75), duration(7384)
    ('0.4 s', '8.3 s', '1 min 15 s', '2 h 3 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def direction(name: str) -> str:
    """A direction with an arrow.

    >>> direction("google/twitter"), direction("wiki#photo/wiki#article")
    ('google → twitter', 'wiki photo → wiki article')
    """
    return " → ".join(map(side, direction_of(name)))


def side(name: str) -> str:
    """A source, or one of its fields.

    >>> side("wiki"), side("wiki#photo")
    ('wiki', 'wiki photo')
    """
    return " ".join(filter(None, side_of(name)))


def kind(name: str) -> str:
    """What a record holds.

    >>> kind("image+text"), kind("row")
    ('image with text', 'row')
    """
    return name.replace(AND, " with ")


def mix(name: str) -> str:
    """The kinds of records that an entity holds.

    >>> mix("image+text-row")
    'image with text, row'
    """
    return ", ".join(map(kind, kinds_of(name)))


def pair(name: str) -> str:
    """A pair of kinds, or of sources, with a dash.

    >>> pair("image-text"), pair("google/short-names")
    ('image – text', 'google – short-names')
    """
    both = direction_of(name) if "/" in name else kinds_of(name)
    return " – ".join(map(kind, both))
