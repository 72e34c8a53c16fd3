"""Candidate pairs -> calibrated probability that the two describe one thing, with its evidence."""

from xmer_spark.method import Registry

REGISTRY = Registry("scoring", {"logistic": "xmer_spark.scoring.scorer:PairScorer"})
