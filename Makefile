# Shortcuts. Each target installs what it needs into .venv first (reviewers' targets into .venv-report, uv into
# .tools where there is none); nothing is put outside this folder but uv's cache.
# Everything here is also a plain command: source .venv/bin/activate && snakemake --cores all

.DEFAULT_GOAL := help
.NOTPARALLEL:
# With it in the environment every job would compile its imports anew, and run two to four times slower.
unexport PYTHONDONTWRITEBYTECODE PYTHONPATH PYTHONHOME

BIN := .venv/bin
CORES ?= all
PRESET ?= fer2013-cpu

LOCK := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -q

.PHONY: help install demo fer2013 tables verify trust test lint types audit-packages lock clean

help: ## Say what can be made
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' Makefile | while IFS='	' read -r name text; do printf '  make %-9s %s\n' "$$name" "$$text"; done

install: .venv/installed ## Install everything into .venv (PYTHON=python3.12, TORCH=cpu: PyTorch without CUDA)

.venv/installed: envs/requirements.lock envs/install.sh pyproject.toml
	@envs/install.sh

# Asked for by name, another interpreter or build of PyTorch may have to be put into a finished environment.
ifneq ($(filter command line,$(origin PYTHON) $(origin TORCH)),)
.PHONY: .venv/installed
endif

demo: install ## The whole way on drawn faces, in minutes on two cores (CORES=2)
	$(BIN)/snakemake --cores $(CORES)
	@echo "The report: results/demo/report.html"

fer2013: install ## The main job, on the real data (FER2013=folder, archive, csv or URL; PRESET=fer2013-cpu)
	@test -n "$(FER2013)" || { echo "error: say where FER2013 lies: make fer2013 FER2013=path (.venv/bin/refer datasets says how to get it)" >&2; exit 2; }
	$(BIN)/snakemake --cores $(CORES) --configfile "presets/$(PRESET).yaml" --config "fer2013=$(FER2013)"
	@echo "The report: results/$(PRESET)/report.html"

# A reviewer needs no PyTorch: without a finished .venv, a small environment does.
REPORT := $(if $(wildcard .venv/installed),.venv,.venv-report)

.venv-report/installed: envs/report.lock envs/install.sh pyproject.toml
	@envs/install.sh report

tables: $(REPORT)/installed ## All tables and figures of a released preset from its predictions, without data (PRESET=fer2013-cpu)
	$(REPORT)/bin/snakemake -s workflow/report.smk --cores $(CORES) --scheduler greedy --configfile "$(if $(filter demo,$(PRESET)),config.yaml,presets/$(PRESET).yaml)"
	@echo "The report: results/$(PRESET)/report.html"

verify: $(REPORT)/installed ## Compare a released preset with its manifest, and its tables with its predictions (PRESET=fer2013-cpu)
	$(REPORT)/bin/refer verify $(PRESET)

trust: install ## Have Snakemake take what `dvc pull` brought as up to date, if dvc.lock does (PRESET=fer2013-cpu)
	$(BIN)/refer trust "$(if $(filter demo,$(PRESET)),config.yaml,presets/$(PRESET).yaml)"

# Two to four processes: each holds PyTorch, and Snakemake in the tests takes cores of its own. Tests that share what is
# made once stay in one process (tests/conftest.py). What only repeats others, and the story on a Slurm, is left to
# `make test MARKS=`, which .ci/run takes.
MARKS ?= not repeats and not slurm
SPREAD := -n logical --maxprocesses 4 --dist loadscope --no-loadscope-reorder

test: install ## Tests on all cores, the demo from end to end among them (all of them: MARKS=)
	$(BIN)/python -m pytest $(SPREAD) -m "$(MARKS)"

lint: install ## Style of Python and Snakemake files
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint
	$(BIN)/snakemake --lint -s workflow/report.smk

types: install ## Types of the library
	$(BIN)/mypy

audit-packages: ## Ask the Python packaging advisories about every locked package (needs a network)
	@uv=$$(envs/install.sh uv) && \
	"$$uv" tool run -q pip-audit --strict --disable-pip --require-hashes --progress-spinner off -r envs/requirements.lock || \
	{ echo "error: a locked package has an advisory, or could not be asked about (see above; this needs pypi.org)" >&2; exit 1; }

lock: ## Renew envs/requirements.lock and envs/report.lock from pyproject.toml
	uv=$$(envs/install.sh uv) && \
	"$$uv" pip compile pyproject.toml --extra all --group dev $(LOCK) -o envs/requirements.lock && \
	"$$uv" pip compile pyproject.toml --group report -c envs/requirements.lock $(LOCK) -o envs/report.lock

clean: ## Remove environments, .tools and caches; data, results and logs stay
	rm -rf .venv .venv-report .tools .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find src tests workflow -name __pycache__ -type d -prune -exec rm -rf {} +
