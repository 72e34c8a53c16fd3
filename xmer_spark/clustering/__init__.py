"""Match probabilities -> clusters."""

from xmer_spark.method import Registry

REGISTRY = Registry(
    "clustering",
    {
        "components": "xmer_spark.clustering.components:Components",
        "one_per_source": "xmer_spark.clustering.one_per_source:OnePerSource",
        "average_linkage": "xmer_spark.clustering.average_linkage:AverageLinkage",
        "correlation": "xmer_spark.clustering.correlation:Correlation",
    },
)


def usual(once: bool) -> str:
    """The method that serves where none is named; ``once``: some source names each thing at most once.

    >>> usual(True), usual(False)
    ('one_per_source', 'average_linkage')
    """
    return "one_per_source" if once else "average_linkage"
