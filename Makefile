# What people type most. The README's two commands do the same without make.
PYTHON ?= python3

.venv: requirements.txt requirements-export.txt requirements-weights.txt requirements-search.txt requirements-cluster.txt requirements-dev.txt
	$(PYTHON) -m venv .venv
	.venv/bin/pip install -q -r requirements.txt -r requirements-dev.txt
	touch .venv

run: .venv
	.venv/bin/streamlit run app.py

test: .venv
	.venv/bin/python -m pytest

docs: .venv
	.venv/bin/python -m docs

lint: .venv
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/basedpyright --pythonpath .venv/bin/python

.PHONY: run test docs lint
