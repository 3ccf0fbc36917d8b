# Every target does its own set-up. Needs bash, and Python 3.11 or newer with pip.
SHELL := bash
PY := .venv/bin/python

.PHONY: demo test check bench soak lock clean

demo: .venv/.runtime  ## a whole migration in the laboratory, told as it happens
	@$(PY) -m lbmigrate rehearse scenarios/demo.yaml

test: .venv/.dev  ## everything, against real servers too
	@scripts/test

check: .venv/.dev  ## format, lint, types, what is installed, and the tests that need no server: about a minute
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy
	@$(PY) scripts/sbom.py --check
	@$(PY) scripts/audit.py requirements.txt
	@$(PY) -m pytest -n 2 -m "not real and not long"

bench: .venv/.dev .bench/.done  ## ratios side by side
	@$(PY) bench/run.py

soak: .venv/.dev  ## a million simulated migrations, and scenarios in every variant of Knot and PowerDNS: hours
	@scripts/soak

# Needs uv (`pip install uv`). One lock for Python 3.11 and newer, on every platform; no index is named in it.
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-strip-extras \
	--custom-compile-command "make lock"
lock:  ## brings the locks and sbom.json in line with pyproject.toml (`rm requirements*.txt` first to move every pin)
	$(COMPILE) pyproject.toml --output-file requirements.txt
	$(COMPILE) --group build --output-file requirements-build.txt
	$(COMPILE) pyproject.toml --group build --group dev --output-file requirements-dev.txt
	$(COMPILE) --group bench --output-file requirements-bench.txt
	$(MAKE) .venv/.dev && $(PY) scripts/sbom.py

clean:  ## removes what the other targets made
	rm -rf .venv .bench .mypy_cache .ruff_cache .hypothesis .coverage build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.runtime: requirements.txt requirements-build.txt scripts/setup pyproject.toml
	@scripts/setup runtime

.venv/.dev: requirements-dev.txt scripts/setup pyproject.toml
	@scripts/setup dev

.bench/.done: requirements-bench.txt .venv/.dev
	@scripts/setup bench
