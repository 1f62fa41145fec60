# One command runs every check: make check
PYTHON ?= python3

.PHONY: check test lint types slow bench docs

check: lint types test

test:
	$(PYTHON) -m pytest -n auto

lint:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

types:
	$(PYTHON) -m pyright

# the long property runs; replay one with --hypothesis-seed=N
slow:
	$(PYTHON) -m pytest -m slow -n auto

bench:
	$(PYTHON) -m benchmarks.digits
	$(PYTHON) -m benchmarks.check
	$(PYTHON) -m benchmarks.depth

# the pages that say what the code says
docs:
	$(PYTHON) -m docs.generate
