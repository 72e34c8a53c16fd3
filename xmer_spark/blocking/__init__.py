"""Binary codes -> candidate pairs."""

from xmer_spark.methods import Registry

REGISTRY = Registry(
    "blocking",
    {
        "bands": "xmer_spark.blocking.bands:Bands",
        "scan": "xmer_spark.blocking.scan:Scan",
    },
)
