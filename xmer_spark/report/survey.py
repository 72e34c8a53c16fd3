"""The survey's printed results, to lay beside one's own: mean MAP of both directions."""

from __future__ import annotations

from typing import NamedTuple

METHODS = ("CCA", "HSNN", "JFSSL", "CMCP", "JRL", "ACMR", "CDPAE")
#: The same methods as this project's spaces are called.
SPACES = ("cca", "hsnn", "jfssl", "cmcp", "jrl", "acmr", "cdpae")


class Printed(NamedTuple):
    """One row: a data set under one of the survey's three feature settings."""

    data: str
    features: str
    values: tuple[float, ...]


TABLE = (
    Printed("Wikipedia", "Shallow", (0.1196, 0.1191, 0.1193, 0.1193, 0.1194, 0.1306, 0.1163)),
    Printed("Wikipedia", "CNN", (0.1337, 0.3375, 0.1279, 0.3447, 0.3346, 0.3576, 0.3546)),
    Printed("Wikipedia", "CNN+SIF", (0.1010, 0.4354, 0.1105, 0.4429, 0.4434, 0.4602, 0.4585)),
    Printed("Pascal Sentences", "Shallow", (0.0789, 0.0783, 0.0769, 0.0827, 0.0774, 0.1283, 0.1197)),
    Printed("Pascal Sentences", "CNN", (0.0792, 0.1936, 0.0811, 0.1857, 0.1920, 0.2293, 0.2359)),
    Printed("Pascal Sentences", "CNN+SIF", (0.0749, 0.4688, 0.0752, 0.4581, 0.4093, 0.4533, 0.4471)),
    Printed("XMedia", "Shallow", (0.1215, 0.1955, 0.0839, 0.2088, 0.1891, 0.1991, 0.0985)),
    Printed("XMedia", "CNN", (0.0641, 0.4011, 0.0612, 0.3609, 0.3509, 0.3836, 0.1105)),
    Printed("XMedia", "CNN+SIF", (0.0475, 0.5209, 0.0465, 0.5289, 0.6716, 0.6952, 0.5280)),
)
