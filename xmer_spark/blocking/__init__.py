"""Binary codes -> candidate pairs."""

from xmer_spark.method import Registry

REGISTRY = Registry(
    "blocking",
    {
        "bands": "xmer_spark.blocking.bands:Bands",
        "cells": "xmer_spark.blocking.cells:Cells",
        "radius": "xmer_spark.blocking.radius:Radius",
        "scan": "xmer_spark.blocking.scan:Scan",
    },
)
