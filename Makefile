# Every target that needs .venv calls `setup` first, which does nothing when .venv is up to date.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup run test lint bench soak docs env lock clean

BIN := .venv/bin
ifneq ($(filter-out fast all,$(TIER)),)
$(error TIER is "$(TIER)"; it must be fast or all)
endif
PYTEST_TIER := $(if $(filter all,$(TIER)),,-m "not integration")
WORKERS ?= 2
PYTEST_WORKERS := -n $(WORKERS) --no-loadscope-reorder -p tests.unsteady
ANY_PYTHON = $(firstword $(PYTHON) $(shell command -v python3 python3.13 python3.12 python3.11) python3)
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header $(if $(UPGRADE),--upgrade)
COMPILE_LIKE_CI := $(COMPILE) --python-version 3.11

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-7s %s\n", $$1, $$2}' Makefile

setup: ## Make .venv with nightcap in its bin (PYTHON=python3.12 picks the interpreter)
	@infra/setup.sh

run: setup ## Train, register and caption on a real Airflow scheduler (EXIT=1 stops everything at the end)
	@$(BIN)/nightcap run $(if $(filter 1,$(EXIT)),--exit)

test: setup ## Run the fast tests (TIER=all adds those that start services; WORKERS=0 for one process; ARGS goes to pytest)
	@$(BIN)/python -m pytest $(PYTEST_WORKERS) $(PYTEST_TIER) $(ARGS)

lint: setup ## Check style, types and the direction of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python infra/make_reference.py --check

bench: setup ## Measure what our choices gain over their baselines (TRANSFORMERS=other/bin/python: also over BLIP-base and ViT-GPT2)
	@TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python benchmarks/bench.py
	@TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m benchmarks.training_step
	@TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m benchmarks.captioning --encoder resnet50 --side 320 $(if $(TRANSFORMERS),--transformers $(TRANSFORMERS))

soak: setup ## Kill a night of a thousand and `forget` at every write, cut every file, run all at once with a clock that jumps, train the scenes, run the stack in containers (CONFIG=flickr8k.yaml: then the ablation table, a day of two cores)
	@NIGHTCAP_SOAK=1 $(BIN)/python -m pytest tests/faults/test_killed_nights.py tests/faults/test_killed_forget.py tests/faults/test_stopping.py tests/faults/test_cut_files.py tests/soak -s $(ARGS)
	$(if $(CONFIG),@$(BIN)/python -m benchmarks.ablation --config $(CONFIG) --output $(or $(NIGHTCAP_HOME),.nightcap)/ablation.jsonl)

docs: setup ## Write docs/reference.md from the code, docs/system.svg from docs/system.txt, docs/speed.svg from docs/performance.md
	$(BIN)/python infra/make_reference.py
	$(BIN)/python infra/make_system_svg.py
	$(BIN)/python infra/make_speed_svg.py

env: ## Write .env with random secrets for docker compose, or add what it lacks
	@$(ANY_PYTHON) infra/make_env.py

lock: setup ## Lock the requirements again (UPGRADE=1 takes newer versions)
	$(COMPILE_LIKE_CI) requirements/bootstrap.in -o requirements/bootstrap.txt
	for version in 3.11 3.12 3.13; do \
		$(COMPILE) --python-version $$version pyproject.toml -c requirements/bootstrap.txt \
			--extra cpu --extra stack --extra heic --extra int8 --extra meteor --extra dev -o requirements/python$$version.txt || exit; \
	done
	$(COMPILE_LIKE_CI) pyproject.toml -c requirements/python3.11.txt --extra cpu --extra stack --extra heic --extra int8 -o requirements/airflow.txt
	$(COMPILE_LIKE_CI) pyproject.toml -c requirements/python3.11.txt --extra cuda --extra stack --extra heic --extra int8 -o requirements/airflow-cuda.txt
	$(COMPILE_LIKE_CI) requirements/serving.in -c requirements/python3.11.txt -o requirements/serving.txt

clean: ## Remove .venv, caches and build output; keeps .nightcap and .env
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist nightcap.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
