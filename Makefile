# Two commands matter: `make demo` and `make test`. Each sets up what it needs, once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
AIRFLOW_VENV := .venv-airflow
AIRFLOW_READY := $(AIRFLOW_VENV)/.ready
BENCH_VENV := .venv-bench
BENCH_READY := $(BENCH_VENV)/.ready

.PHONY: demo test check airflow bench constraints clean

demo: $(READY)  ## resolve the bundled emoji set and write report.html
	$(BIN)/xmer demo

# Two processes of two BLAS threads each would get in each other's way on two cores.
test: export OPENBLAS_NUM_THREADS ?= 1
test: export OMP_NUM_THREADS ?= $(OPENBLAS_NUM_THREADS)
test: check  ## everything that CI runs; in two processes, for one waits for Spark's planning most of the time
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

airflow: $(READY) $(AIRFLOW_READY)  ## run the DAG to its end on the bundled set
	$(AIRFLOW_VENV)/bin/python airflow_dags/run_once.py --environment $(VENV)

bench: $(READY) $(BENCH_READY)  ## every benchmark; it takes hours
	$(BIN)/python -m tests.benchmarks

# Everything up to the jars; a set-up that fails half way starts again from the failing step. Libraries are compiled
# once, for where Python is told to keep no bytecode every worker process would compile torch and the like anew.
$(READY): pyproject.toml constraints.txt xmer_spark/runtime/environment.py
	@$(PYTHON) -c "import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v < (3, 13) else \
	  f'xmer needs Python 3.11 or 3.12, and {sys.executable} is {v[0]}.{v[1]}; set PYTHON=/path/to/python3.11')"
	@$(PYTHON) -c "import shutil, sys; g = shutil.disk_usage('.').free / 2**30; sys.exit(None if g > 8 else \
	  f'the environment takes 7 GB and {g:.1f} GiB are free here; make room and try again')"
	@command -v java > /dev/null || [ -n "$$JAVA_HOME" ] || { echo "xmer: Spark needs Java; install a JDK 17 or 21 \
	(Debian/Ubuntu: apt-get install openjdk-17-jdk-headless; macOS: brew install openjdk@17)"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --compile-bytecode \
	  --editable '.[dev]'
	$(BIN)/python -m xmer_spark.runtime.environment
	@touch $@

# Apart from the pipeline's: Airflow's Spark provider brings a package of its own under pyspark's name.
$(AIRFLOW_READY): airflow_dags/constraints.txt | $(READY)
	test -x $(AIRFLOW_VENV)/bin/python || $(PYTHON) -m venv $(AIRFLOW_VENV)
	$(BIN)/uv pip install --quiet --python $(AIRFLOW_VENV)/bin/python --constraint airflow_dags/constraints.txt \
	  apache-airflow apache-airflow-providers-apache-spark
	@touch $@

# What benchmarks measure beside the pipeline, and it does not use.
$(BENCH_READY): tests/benchmarks/peers/constraints.txt | $(READY)
	test -x $(BENCH_VENV)/bin/python || $(PYTHON) -m venv $(BENCH_VENV)
	$(BIN)/uv pip install --quiet --python $(BENCH_VENV)/bin/python \
	  --constraint tests/benchmarks/peers/constraints.txt splink duckdb psutil
	@touch $@

constraints: $(READY)  ## pin the whole closure again, after changing pyproject.toml
	$(BIN)/uv pip freeze --python $(BIN)/python --exclude-editable > constraints.txt

clean:
	rm -rf warehouse mlflow.db mlartifacts report.html
