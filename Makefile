# make demo   a fight in a window, played by the shipped policy
# make flare  a fight in Flare, a real open-source game, which it installs, played by a policy trained on recordings of it
# make test   the tests
# All make .venv first (scripts/setup.sh) and can be run again cheaply. PYTHON=… picks the interpreter of .venv.

.DEFAULT_GOAL := help
.PHONY: help setup demo flare test lint clean

READY := .venv/ready
COMBATVLA := .venv/bin/combatvla

help:  ## this list
	@awk -F':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

setup: $(READY)  ## make .venv with everything in it

$(READY): pyproject.toml constraints.txt scripts/setup.sh
	@scripts/setup.sh
	@touch $@

demo: $(READY)  ## let the shipped policy fight in a window; prints the outcome, the latencies and the replay
	@scripts/setup.sh display
	@$(COMBATVLA) demo --json

flare: $(READY)  ## install the game Flare, let a policy fight its boss in its own window; prints outcome and replay
	@scripts/setup.sh display always
	@scripts/setup.sh flare
	@$(COMBATVLA) bench flare --player flare --sessions "out/flare/sessions/$$(date +%Y%m%d-%H%M%S)" --json

test: $(READY)  ## run the tests (not those marked slow, gpu or live)
	@scripts/setup.sh display always
	@scripts/setup.sh browser
	@.venv/bin/python -m pytest -m "not slow and not gpu and not live" $(PYTEST_FLAGS)

lint: $(READY)  ## check style
	@.venv/bin/ruff check . && .venv/bin/ruff format --check .

clean:  ## remove .venv and the caches, but nothing recorded or trained
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
