# `make demo` and `make test` need a Debian machine with Python 3.11 and nothing else: the first run of either
# makes .venv from constraints.txt (about three minutes), later runs start at once.
# PIP_EXTRA_INDEX_URL may name PyTorch's own index of CPU wheels (see pytorch.org): they are far smaller.

SHELL := /bin/sh
PYTHON ?= python3
PY := .venv/bin/python
PYRIGHT := $(PY) -m pyright --pythonpath $(PY)
READY := .venv/.cardiacuq-ready
# tests run in so many processes; an idle one takes work from the other
TEST_WORKERS ?= 2
PYTEST_ARGS ?=

.PHONY: docs torture help demo test types setup lint format arrows benchmark benchmark-gpu benchmark-ratios benchmark-review screenshots clean

help: ## this list
	@grep -E '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 18

demo: $(READY) ## a synthetic scan from start to report
	@$(PY) -m CardiacUQTraining.cli demo

test: $(READY) ## lint, types, rules of the house, quick tests
	@sh .ci/prepare --check-rendering
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@# types are checked beside the tests and told after them
	@log=$$(mktemp); $(PYRIGHT) >$$log 2>&1 & types=$$!; \
	$(PY) -m pytest -m "not slow" -n $(TEST_WORKERS) --dist worksteal $(PYTEST_ARGS); tests=$$?; \
	wait $$types; found=$$?; tail -n 40 $$log; rm -f $$log; exit $$((tests ? tests : found))

# thousands of broken inputs and hundreds of kills instead of the sample that `make test` takes; about an hour
torture: $(READY) ## crash tests at length
	@CARDIACUQ_TORTURE=1 $(PY) -m pytest -q Testing/tests/lasting Testing/tests/cohort/test_cohort_campaign.py

docs: $(READY) ## the site of Docs, into build/site
	@$(PY) -m sphinx -W -q -b html Docs build/site && echo "build/site/index.html"

setup: $(READY) ## make .venv from constraints.txt

types: $(READY) ## pyright alone
	@$(PYRIGHT)

lint: $(READY) ## ruff alone
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

format: $(READY) ## ruff mends what it can
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

# only the arrows between the packages, the file lengths and the like
arrows: $(READY) ## the rules of the house alone
	@$(PY) -m pytest -q Testing/tests/house

benchmark-ratios: $(READY) ## whole commands over the networks' own time, about eight minutes
	@$(PY) Testing/benchmarks/bench_ratios.py

benchmark: $(READY) ## time of a segmentation
	@$(PY) Testing/benchmarks/bench_segment.py

benchmark-gpu: $(READY) ## latency, memory, parity and training on one CUDA card; under four minutes
	@$(PY) Testing/benchmarks/bench_gpu.py

screenshots: $(READY) ## pictures of the README and of the walk through the module
	@$(PY) Tools/make_screenshots.py
	@$(PY) -m CardiacUQTraining.cli demo
	@$(PY) Tools/make_demo.py
	@$(PY) Tools/make_review_picture.py demo-output/phantom
	@if [ -d Resources/Models/cine-streaming ]; then $(PY) -m CardiacUQTraining.cli demo --cine && \
	$(PY) Tools/make_demo.py demo-output/phantom-cine_ED demo-output/phantom-cine_ES; fi

benchmark-review: $(READY) ## how fast the review page answers
	@$(PY) Testing/benchmarks/bench_review.py

clean: ## remove what commands left
	rm -rf demo-output build .pytest_cache .ruff_cache .hypothesis

$(READY): constraints.txt pyproject.toml
	@PYTHON="$(PYTHON)" sh .ci/prepare
