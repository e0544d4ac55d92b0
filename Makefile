# The commands of the README, nothing hidden behind them.
PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
LINT := $(CURDIR)/$(VENV)-lint/bin
PY_SOURCES := python tests benchmarks examples
JOBS ?= $(shell nproc)
CMAKE_ARGS ?=
export PATH := $(BIN):$(PATH)

.PHONY: quickstart test test-quick test-long lint types format tidy bench build dev cp2k clean

# From nothing to a report: what is missing is installed, the chain runs on two ranks.
quickstart: build cp2k
	cd examples/quickstart && $(BIN)/mpirun -n 2 $(BIN)/python -m naglass_drv run input.yaml
	@echo "the report: $(CURDIR)/examples/quickstart/run/report.html"

# Two modules at a time; one thread each, since torch would otherwise take all cores twice.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile

test: build cp2k
	$(PYTEST) tests

# Neither MPI nor CP2K, nothing that takes more than ten seconds: for the minute between two edits.
test-quick: build
	$(PYTEST) -m quick tests

# What takes too long for every commit: run before a release, and before an issue is closed.
test-long: build cp2k
	$(PYTEST) tests/long

# Style and types. `make format` does what can be done by itself.
lint: $(VENV)-lint/installed
	$(LINT)/ruff check $(PY_SOURCES)
	$(LINT)/ruff format --check $(PY_SOURCES)
	git ls-files 'src/*.[ch]pp' 'tests/*.[ch]pp' | xargs $(LINT)/clang-format --dry-run --Werror
	$(LINT)/mypy

types: $(VENV)-lint/installed
	$(LINT)/mypy

format: $(VENV)-lint/installed
	$(LINT)/ruff check --fix $(PY_SOURCES)
	$(LINT)/ruff format $(PY_SOURCES)
	git ls-files 'src/*.[ch]pp' 'tests/*.[ch]pp' | xargs $(LINT)/clang-format -i

# clang-tidy on the core; takes some minutes.
tidy: $(VENV)-lint/installed
	$(LINT)/pip install -q clang-tidy==23.1.4
	cmake -S . -B build/tidy -DCMAKE_EXPORT_COMPILE_COMMANDS=ON -DNAGLASS_PYTHON=OFF -DNAGLASS_LAMMPS=OFF -DNAGLASS_TESTS=ON
	$(LINT)/run-clang-tidy.py -clang-tidy-binary $(LINT)/clang-tidy -quiet -p build/tidy src/cpp/core

$(VENV)-lint/installed: requirements-lint.txt
	test -x $(LINT)/python || $(PYTHON) -m venv $(VENV)-lint
	$(LINT)/pip install -q -r requirements-lint.txt
	touch $@

# Beside other programs, which get an environment of their own; wants a quiet machine and a quarter of an hour.
bench: dev $(VENV)-bench/installed
	$(BIN)/python benchmarks/run.py $(CURDIR)/$(VENV)-bench/bin/python

$(VENV)-bench/installed: requirements-bench.txt
	test -x $(VENV)-bench/bin/python || $(PYTHON) -m venv $(VENV)-bench
	$(VENV)-bench/bin/pip install -r requirements-bench.txt
	touch $@

# Installs the package into .venv; the build folder below build/ is kept, so that a second call compiles little.
build: $(VENV)/installed
	CMAKE_ARGS="$(CMAKE_ARGS)" CMAKE_BUILD_PARALLEL_LEVEL=$(JOBS) $(BIN)/pip install --no-build-isolation --no-deps .

# In-place build for work on the code: PYTHONPATH=python .venv/bin/python -m naglass_drv ...
dev: $(VENV)/installed
	cmake -S . -B build/dev -G Ninja -DPython_EXECUTABLE=$(BIN)/python -DCMAKE_INSTALL_MESSAGE=NEVER $(CMAKE_ARGS)
	cmake --build build/dev --parallel $(JOBS)
	cmake --install build/dev --prefix python

# torch alone first: where the index offers a CPU build, a joint resolve would pass it over for the CUDA one.
$(VENV)/installed: requirements-torch.txt requirements.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -r requirements-torch.txt
	$(BIN)/pip install -r requirements.txt
	touch $@

# CP2K computes the reference labels; any installation on the PATH or named in the site profile will do.
# OpenBLAS in place of the reference BLAS saves a fifth of a label's time; the MPI starts even a single process.
cp2k:
	@command -v cp2k.psmp >/dev/null || command -v cp2k.ssmp >/dev/null || command -v cp2k >/dev/null \
	  || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null \
	       && apt-get update -q && apt-get install -y -q --no-install-recommends cp2k openmpi-bin libopenblas0-serial; } \
	  || { echo "CP2K is missing: install it (Debian: sudo apt-get install cp2k) or put cp2k.psmp on the PATH"; exit 1; }

clean:
	rm -rf build python/naglass_drv/plugins python/naglass_drv/_core*.so
