# Every target makes its own .venv when there is none. PYTHON=python3.12 chooses another interpreter.
PYTHON ?= python3
BIN := .venv/bin
# what is compiled once is not compiled again by every process that the tests start
TEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python
RUN := OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(BIN)/haa

.PHONY: demo test test-quick check docs bench torture dist clean help

help:
	@echo "make demo   train with and without human attention, on the embedded data, and report (under 5 minutes)"
	@echo "make test   run the tests"
	@echo "make test-quick   run those that take less than five seconds each"
	@echo "make check  lint, types and import contracts"
	@echo "make docs   build the documentation site: build/docs/index.html"
	@echo "make torture   kill, damage and attack everything, and count what gets through (about an hour; TORTURE=--help)"
	@echo "make dist   the files of a release, checked, in dist/"
	@echo "make bench  time metrics, start, features and studies, beside their peers and floors (BEFORE=SRC: and another src)"

.venv/installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,weights]'
	touch $@

demo: .venv/installed
	rm -rf outputs/demo
	$(RUN) train -m experiment=demo condition=human,shuffled align_weight=0,0.5 seed=0,1,2 hydra.sweep.dir=outputs/demo parallel=2
	$(RUN) report outputs/demo

test: .venv/installed
	$(TEST) -m pytest -n 2 --dist=worksteal

test-quick: .venv/installed
	$(TEST) -m pytest -n 2 --dist=worksteal -m "not slow"

check: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv/docs-installed
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx --builder html --fresh-env --fail-on-warning --keep-going --quiet docs build/docs
	@echo "site: build/docs/index.html"

.venv/docs-installed: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	touch $@

bench: .venv/installed .venv-bench/installed
	.venv-bench/bin/python -m benchmarks.metrics $(if $(BEFORE),--before $(BEFORE))
	$(BIN)/python -m benchmarks.start $(if $(BEFORE),--before $(BEFORE))
	OMP_WAIT_POLICY=passive $(BIN)/python -m benchmarks.features --threads 1
	$(BIN)/python -m benchmarks.study_cost --alone 4

torture: .venv/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.torture $(TORTURE)

# haa has no code, so that there is nothing to build it from but its wheel
dist: .venv-dist/installed
	rm -rf dist
	.venv-dist/bin/python -m build --no-isolation --outdir dist .
	.venv-dist/bin/python -m build --no-isolation --wheel --outdir dist core
	.venv-dist/bin/twine check --strict dist/*
	.venv-dist/bin/check-wheel-contents dist/*.whl

.venv-dist/installed:
	test -x .venv-dist/bin/python || $(PYTHON) -m venv .venv-dist
	.venv-dist/bin/python -m pip install --quiet --disable-pip-version-check 'hatchling>=1.27' build twine check-wheel-contents
	touch $@

.venv-bench/installed: benchmarks/requirements.txt
	test -x .venv-bench/bin/python || $(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

clean:
	rm -rf outputs multirun .cache build dist .pytest_cache .mypy_cache .ruff_cache
