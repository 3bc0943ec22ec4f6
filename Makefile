# Read by GNU make and by BSD make. Needs Python 3.11 or newer with pip; everything else goes into .venv.
PYTHON ?= python3
VENV   = .venv
RUN    = $(VENV)/bin/python

.PHONY: demo test lint bench clean

demo: $(VENV)/ready
	@$(RUN) demo/demo.py

# Side by side on as many processors as there are: many tests wait for packets that must not come.
test: $(VENV)/ready
	$(RUN) -m pytest -n auto --dist worksteal

lint: $(VENV)/ready
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

# As root on Linux. It installs fw-guard into an environment of its own and throws that away again.
bench:
	@$(PYTHON) bench/firewall.py

# pip of the machine installs into the new environment: many systems have venv without ensurepip.
$(VENV)/ready: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; say make PYTHON=...")'
	$(PYTHON) -m venv --clear --without-pip $(VENV)
	$(PYTHON) -m pip --python $(RUN) install --quiet --editable '.[test,lint]'
	touch $(VENV)/ready

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
