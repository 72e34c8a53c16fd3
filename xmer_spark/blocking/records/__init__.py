"""Records -> candidate pairs of records: by keys, by rare tokens, by order, by canopies, by codes."""

from xmer_spark.method import Method, Registry

REGISTRY = Registry(
    "blocking",
    {
        "canopy": "xmer_spark.blocking.records.canopy:Canopy",
        "codes": "xmer_spark.blocking.records.codes:Codes",
        "nearest_codes": "xmer_spark.blocking.records.nearest_codes:NearestCodes",
        "rules": "xmer_spark.blocking.records.rules:Rules",
        "sorted_neighbourhood": "xmer_spark.blocking.records.sorted_neighbourhood:SortedNeighbourhood",
        "tokens": "xmer_spark.blocking.records.tokens:Tokens",
    },
)


def method_name(blocker: Method) -> str:
    """What the configuration calls a blocker.

    >>> method_name(REGISTRY.build("sorted_neighbourhood"))
    'sorted_neighbourhood'
    """
    kind = type(blocker)
    target = f"{kind.__module__}:{kind.__name__}"
    return next(name for name, known in REGISTRY.methods.items() if known == target)
