# `make demo` and `make test` need a Debian machine with Python 3.11 and nothing else: the first run of either
# makes .venv from constraints.txt (about three minutes), later runs start at once.
# PIP_EXTRA_INDEX_URL may name PyTorch's own index of CPU wheels (see pytorch.org): they are far smaller.

SHELL := /bin/sh
PYTHON ?= python3
PY := .venv/bin/python
READY := .venv/.cardiacuq-ready
PYTEST_ARGS ?=

.PHONY: demo test setup lint format arrows benchmark benchmark-review screenshots clean

demo: $(READY)
	@$(PY) -m CardiacUQTraining.cli demo

test: $(READY)
	@sh .ci/prepare --check-rendering
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m pytest -m "not slow" $(PYTEST_ARGS)

setup: $(READY)

lint: $(READY)
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

format: $(READY)
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

# only the arrows between the packages, the file lengths and the like
arrows: $(READY)
	@$(PY) -m pytest -q Testing/tests/house

benchmark: $(READY)
	@$(PY) Testing/benchmarks/bench_segment.py

screenshots: $(READY)
	@$(PY) -m CardiacUQTraining.cli demo
	@$(PY) Tools/make_demo.py
	@$(PY) Tools/make_review_picture.py demo-output/phantom
	@if [ -d Resources/Models/cine-streaming ]; then $(PY) -m CardiacUQTraining.cli demo --cine && \
	$(PY) Tools/make_demo.py demo-output/phantom-cine_ED demo-output/phantom-cine_ES; fi

benchmark-review: $(READY)
	@$(PY) Testing/benchmarks/bench_review.py

clean:
	rm -rf demo-output build .pytest_cache .ruff_cache .hypothesis

$(READY): constraints.txt pyproject.toml
	@PYTHON="$(PYTHON)" sh .ci/prepare
