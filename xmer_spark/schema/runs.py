"""The tables of what was done and measured."""

from __future__ import annotations

from xmer_spark.schema.table import Column, Table, one_of

#: Whether a benchmarked method sees the test items, without their labels, when it is fitted; where rows of
#: tables are matched, by which protocol.
BENCHMARK_SETTINGS = ("inductive", "transductive", "whole_tables", "splits")
#: What a benchmark may do to the training items, so as to see what a method bears.
BENCHMARK_CONDITIONS = ("none", "label_noise", "few_labels", "missing_modality")

RUNS = Table(
    "runs",
    "One job run; its row is the point of publication.",
    (
        Column("run_id", "string", "hash of the fingerprint and of the run before it"),
        Column("job", "string", "name of the job"),
        Column("status", "string", "finished, failed, or migrated: published, but not to the version before"),
        Column("fingerprint", "string", "hash of job, input versions, configuration and model version"),
        Column("config_hash", "string", "hash of the part of the configuration that the job reads"),
        Column("model_version", "string", "version of the registered resolver", nullable=True),
        Column("inputs", "map<string,bigint>", "versions of the tables read"),
        Column("outputs", "map<string,bigint>", "versions of the tables written: the published ones"),
        Column("counts", "map<string,bigint>", "rows in and out, by name"),
        Column("detail", "string", "further facts as JSON; what went wrong, for a failed run", nullable=True),
        Column("started", "timestamp", "when it started"),
        Column("finished", "timestamp", "when it was published"),
    ),
    key=("run_id", "started"),
    checks=(("status_known", "status IN ('finished', 'failed', 'migrated')"),),
)

METRICS = Table(
    "metrics",
    "One measured value of one run.",
    (
        Column("run_id", "string", "the run that measured it"),
        Column("job", "string", "the job that measured it"),
        Column("name", "string", "what was measured, such as recall_at_10/google/twitter; see names.py"),
        Column("value", "double", "the value"),
        Column("low", "double", "lower end of the interval, where the value is an estimate", nullable=True),
        Column("high", "double", "upper end of the interval, where the value is an estimate", nullable=True),
        Column("detail", "string", "further facts as JSON", nullable=True),
    ),
    key=("run_id", "name"),
)

BENCHMARKS = Table(
    "benchmarks",
    "One measured value of one method on one data set.",
    (
        Column("data", "string", "name of the data set in the benchmark's configuration"),
        Column("features", "string", "name of the feature setting: which extractors"),
        Column("method", "string", "name of the method in the benchmark's configuration"),
        Column(
            "setting",
            "string",
            "inductive: test items unseen; transductive: seen without their labels; whole_tables or splits: "
            "the protocol by which rows of tables are matched",
        ),
        Column("condition", "string", "what was done to the training items: none, or what a curve varies"),
        Column("amount", "double", "how much of it was done, as a share"),
        Column("seed", "int", "seed of the method and of the condition"),
        Column("direction", "string", "two content fields, such as image/text; mean, over all directions"),
        Column("measure", "string", "map, over the full ranking, recall_at_<k>, or pair_f1 of tables"),
        Column("value", "double", "the value on the test items"),
        Column("seconds", "double", "wall clock of fitting the space"),
        Column("peak_memory", "bigint", "bytes that fitting needed above what the process held before it"),
        Column("parameters", "string", "the method's parameters as JSON, those that were chosen included"),
        Column("validation", "double", "mean MAP that chose them; NULL without a choice", nullable=True),
        Column("fingerprint", "string", "hash of data, features, method and parameters to choose from"),
    ),
    key=(
        "data", "features", "method", "setting", "condition", "amount", "seed", "direction", "measure",
    ),
    checks=(
        ("setting_known", one_of("setting", BENCHMARK_SETTINGS)),
        ("condition_known", one_of("condition", BENCHMARK_CONDITIONS)),
        ("amount_is_a_share", "amount BETWEEN 0 AND 1"),
        ("value_in_range", "value BETWEEN 0 AND 1"),
    ),
)  # fmt: skip
