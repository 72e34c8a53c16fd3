"""Embeddings -> binary codes in which Hamming distance stands for the angle."""

from xmer_spark.methods import Registry

REGISTRY = Registry(
    "hashing",
    {
        "itq": "xmer_spark.hashing.itq:ITQ",
        "sign": "xmer_spark.hashing.sign:SignProjection",
    },
)
