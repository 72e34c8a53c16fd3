"""Embeddings -> binary codes in which Hamming distance stands for dissimilarity.

``sign``, ``itq``, ``spectral`` and ``anchor_graph`` learn one function for all modalities and need a
common space; the others learn one function per modality, each from vectors of its own width.
"""

from xmer_spark.method import Registry

REGISTRY = Registry(
    "hashing",
    {
        "anchor_graph": "xmer_spark.hashing.anchor_graph:AnchorGraph",
        "cmssh": "xmer_spark.hashing.cmssh:CMSSH",
        "crh": "xmer_spark.hashing.crh:CoRegularised",
        "cvh": "xmer_spark.hashing.cvh:CrossView",
        "dcmh": "xmer_spark.hashing.dcmh:DeepCrossModal",
        "imh": "xmer_spark.hashing.imh:InterMedia",
        "itq": "xmer_spark.hashing.itq:ITQ",
        "scm": "xmer_spark.hashing.scm:SemanticCorrelation",
        "sign": "xmer_spark.hashing.sign:SignProjection",
        "spectral": "xmer_spark.hashing.spectral:Spectral",
    },
)
