# Two commands: `make demo` shows the whole pipeline on real data, `make test` proves it.
SHELL := /bin/bash
python := .venv/bin/python
checked := cd4ml tests bin bin/demo bin/demo-loop bin/container-lab bin/release benchmarks examples

# In a network that has only loopback, and where nothing outlives what was started.
alone := unshare --map-root-user --net --pid --fork --kill-child --mount-proc

.PHONY: help setup tools demo demo-loop test test-real-engines test-rig lint docs generate lock clean

help:
	@echo "make setup     the environment in .venv (the others make it too)"
	@echo "make tools     the outside programs that tests use, into the user's cache"
	@echo "make demo      the whole pipeline on real data, set-up included"
	@echo "make demo-loop"
	@echo "               the closed loop on real data: drift, retraining, gates, canary, promotion"
	@echo "make test      every test, set-up included"
	@echo "make test-real-engines"
	@echo "               what takes a heavy engine to show: Spark, Ray, Kafka, Feast … (needs Java 17 and Maven)"
	@echo "make test-rig  a rollout on a real API server; its programs are compiled once, in about 25 minutes"
	@echo "make lint      black, flake8 and mypy"
	@echo "make docs      the documentation as a site, in site/"
	@echo "make generate  rewrite what is generated from the stages"
	@echo "make lock      rewrite requirements/*.txt from requirements/*.in"
	@echo "make clean     remove .venv and .demo (downloads stay in the user's cache)"

setup:
	@bin/setup

tools: setup
	@bin/setup-tools $(TOOLS_ARGUMENTS)

demo: setup
	@$(python) bin/demo

demo-loop: setup
	@$(python) bin/demo-loop

test: tools lint
	@bin/test $(PYTEST_ARGUMENTS)

test-real-engines: setup
	@bin/setup-tools --require-all helm
	@bin/setup-tools --tier engines --require-all
	@CD4ML_NO_SKIP=1 $(python) -m pytest tests/real_engines $(PYTEST_ARGUMENTS)

test-rig: setup
	@bin/setup-tools --require-all helm crds
	@bin/setup-tools --tier rig --require-all
	@CD4ML_NO_SKIP=1 $(alone) sh -c 'ip link set lo up && exec "$$@"' sh $(python) -m pytest tests/rig --capture=no $(PYTEST_ARGUMENTS)

lint: setup
	@$(python) -m black --quiet --check $(checked)
	@$(python) -m flake8 $(checked)
	@$(python) -m mypy
	@MYPYPATH=bin $(python) -m mypy --scripts-are-modules bin/demo bin/demo-loop bin/container-lab bin/release bin/generate.py bin/pictures.py

docs: setup
	@bin/docs

generate: setup
	@$(python) bin/generate.py
	@$(python) bin/pictures.py

lock: setup
	@bin/lock

clean:
	rm -rf .venv .demo reports site
