# Every target that needs the environment makes it first; it is made again when setup.cfg changes.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python -m flam_pl
ENV := $(VENV)/.installed
ARGS ?=
RUNS ?= runs/wardrobe
COMMA := ,
SPACE := $(subst ,, )
# faiss-cpu, unless setup-gpu was asked for once
FAISS = $(if $(wildcard $(VENV)/.gpu),gpu,cpu)

.DEFAULT_GOAL := help
.PHONY: help setup setup-gpu data verify-data train-backbone train-flam evaluate search report export demo tables table1 table2 table3 table4 table5 figures results results-page bench scale load-test check-gpu notebooks test doctest test-slow test-faults lint clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-16s %s\n", $$1, $$2}'

$(ENV): setup.cfg pyproject.toml
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --editable ".[$(FAISS),imagenet,notebooks,serve,milvus,onnx,ray,dev]"
	@touch $(ENV)

setup: $(ENV) ## make the environment (.venv, by pip)

setup-gpu: $(ENV) ## the same with faiss-gpu in place of faiss-cpu
	$(VENV)/bin/python -m pip uninstall --quiet --yes faiss-cpu
	$(VENV)/bin/python -m pip install --quiet --editable ".[gpu]"
	@touch $(VENV)/.gpu

data: $(ENV) ## draw the wardrobe (or read the data set that ARGS names)
	$(RUN) data $(ARGS)

verify-data: $(ENV) ## say what a data set holds and what cannot be used
	$(RUN) verify-data $(ARGS)

train-backbone: $(ENV) ## stage 1 only: learn the image features
	$(RUN) train-backbone $(ARGS)

train-flam: $(ENV) ## every stage, evaluation and report, e.g. ARGS="data=fashion_products data.root=/photos"
	$(RUN) train-flam $(ARGS)

evaluate: $(ENV) ## evaluate a trained run, also on other photos: ARGS="run=... data.root=... report=other"
	$(RUN) evaluate $(ARGS)

search: $(ENV) ## search a run's images: ARGS="run=wardrobe image=photo.jpg edits=[color=red] k=10"
	$(RUN) search $(ARGS)

demo: $(ENV) ## search in a browser: trains a small wardrobe if no run is there, and serves its page
	$(RUN) demo $(ARGS)

export: $(ENV) ## write the bundle of a run: ARGS="run=wardrobe onnx=true"
	$(RUN) export $(ARGS)

report: $(ENV) ## write the report of a run again from its metrics
	$(RUN) report $(ARGS)

tables: $(ENV) ## the paper's Tables 1 to 5 with one's own figures (make table1 ... table5: one of them)
	$(RUN) tables $(ARGS)

table1 table2 table3 table4 table5: $(ENV)
	$(RUN) tables "tables.which=[$(@:table%=%)]" $(ARGS)

figures: $(ENV) ## the paper's Figures 2 and 3, convergence, T@k against the share of labels
	$(RUN) figures $(ARGS)

results: $(ENV) ## every method, three seeds, label shares
	$(RUN) results $(ARGS)

results-page: $(ENV) ## docs/results.md from runs that have results: RUNS="runs/wardrobe runs/fashion_products"
	$(RUN) results "results.page=[$(subst $(SPACE),$(COMMA),$(strip $(RUNS)))]" $(ARGS)

bench: $(ENV) ## compare the training step with a bare PyTorch loop, extraction with the bare model
	$(VENV)/bin/python benchmarks/bench.py $(ARGS)

scale: $(ENV) ## seconds and peak memory at three sizes, e.g. ARGS="--rows 4000 400000 --table --gallery 2000"
	$(VENV)/bin/python benchmarks/scale.py $(ARGS)

load-test: $(ENV) ## ask a running service: ARGS="--address http://127.0.0.1:8000 --users 8 --seconds 60"
	$(VENV)/bin/python benchmarks/load_test.py $(ARGS)

check-gpu: $(ENV) ## on a CUDA device: the tests against the CPU, then make bench
	$(VENV)/bin/python -m pytest -m gpu tests/test_gpu.py -rs $(ARGS)
	$(VENV)/bin/python benchmarks/bench.py

notebooks: $(ENV) ## execute the notebooks on the last run
	$(VENV)/bin/python notebooks/execute.py

test: $(ENV) ## the tests
	$(VENV)/bin/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder $(ARGS)

doctest: $(ENV) ## the examples in the docstrings
	$(VENV)/bin/python -m pytest --quiet --doctest-modules src $(ARGS)

test-slow: $(ENV) ## the slow tests: two processes, every look of the page, killed workers, sweeps, notebooks
	$(VENV)/bin/python -m pytest -m slow $(ARGS)

test-faults: $(ENV) ## kill -9, damaged files and full disks (half an hour)
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -m faults tests/faults --numprocesses auto --dist worksteal $(ARGS)

lint: $(ENV) ## format check, lint and types
	$(VENV)/bin/ruff format --check src tests benchmarks && $(VENV)/bin/ruff check src tests benchmarks && $(VENV)/bin/mypy

clean: ## remove caches (keeps data/ and runs/)
	rm -rf .pytest_cache .hypothesis .mypy_cache .ruff_cache build dist src/*.egg-info
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
