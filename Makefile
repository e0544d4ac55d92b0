# The commands from the README; they do nothing hidden.
PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
LINT := $(CURDIR)/$(VENV)-lint/bin
PY_SOURCES := python tests benchmarks examples
JOBS ?= $(shell nproc)
CMAKE_ARGS ?=
export PATH := $(BIN):$(PATH)
# without bytecode, each process that imports torch and mace would compile them for 15 s
unexport PYTHONDONTWRITEBYTECODE

.PHONY: quickstart test test-quick test-long test-cluster lint types format tidy bench build dev cp2k environments clean

# From a fresh checkout to a report: installs missing dependencies and runs the workflow on two ranks.
quickstart: build cp2k
	cd examples/quickstart && $(BIN)/mpirun -n 2 $(BIN)/python -m naglass_drv run input.yaml
	@echo "the report: $(CURDIR)/examples/quickstart/run/report.html"

# Two modules at a time; one thread each, since torch would otherwise take all cores twice.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder

test: build cp2k environments
	$(PYTEST) tests

# No MPI, no CP2K, no test over ten seconds: for a quick check between edits.
test-quick: build
	$(PYTEST) -m quick tests

# Tests that are too slow for every commit: run before a release and before closing an issue.
test-long: build cp2k environments
	$(PYTEST) -m long -o norecursedirs=".* build" tests

# Chains and arrays of jobs on a Slurm that the tests start themselves, as root, and tasks in HyperQueue; needs
# slurmctld, slurmd, slurm-client, munge. About a quarter of an hour.
test-cluster: build
	$(BIN)/python -m pytest -q -m "" tests/cluster

# Style and types. `make format` fixes what can be fixed automatically.
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

# clang-tidy on the core; takes a few minutes. Without OpenMP: it does not find the compiler's omp.h.
tidy: $(VENV)-lint/installed
	$(LINT)/pip install -q clang-tidy==23.1.4
	cmake -S . -B build/tidy -DCMAKE_EXPORT_COMPILE_COMMANDS=ON -DNAGLASS_PYTHON=OFF -DNAGLASS_LAMMPS=OFF \
	  -DNAGLASS_TESTS=ON -DNAGLASS_OPENMP=OFF
	$(LINT)/run-clang-tidy.py -clang-tidy-binary $(LINT)/clang-tidy -quiet -p build/tidy src/cpp/core

$(VENV)-lint/installed: requirements-lint.txt
	test -x $(LINT)/python || $(PYTHON) -m venv $(VENV)-lint
	$(LINT)/pip install -q -r requirements-lint.txt
	touch $@

# Comparison with other programs, which get their own environment; needs an idle machine and about 15 minutes.
bench: dev $(VENV)-bench/installed
	$(BIN)/python benchmarks/run.py $(CURDIR)/$(VENV)-bench/bin/python

$(VENV)-bench/installed: requirements-bench.txt
	test -x $(VENV)-bench/bin/python || $(PYTHON) -m venv $(VENV)-bench
	$(VENV)-bench/bin/pip install -r requirements-bench.txt
	touch $@

# Installs the package into .venv; the build folder under build/ is kept, so a second call recompiles little.
build: $(VENV)/installed
	CMAKE_ARGS="$(CMAKE_ARGS)" CMAKE_BUILD_PARALLEL_LEVEL=$(JOBS) $(BIN)/pip install --no-build-isolation --no-deps .

# In-place build for work on the code: PYTHONPATH=python .venv/bin/python -m naglass_drv ...
dev: $(VENV)/installed
	cmake -S . -B build/dev -G Ninja -DPython_EXECUTABLE=$(BIN)/python -DCMAKE_INSTALL_MESSAGE=NEVER $(CMAKE_ARGS)
	cmake --build build/dev --parallel $(JOBS)
	cmake --install build/dev --prefix python

# torch first, on its own: where the index has a CPU build, resolving everything together would pick the CUDA build.
# Python compiles what is imported on its first import, which is a small part of these packages.
$(VENV)/installed: requirements-torch.txt requirements.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --no-compile -r requirements-torch.txt
	$(BIN)/pip install --no-compile -r requirements.txt
	touch $@

# CP2K computes the reference labels; any installation on the PATH or in the site profile works.
# OpenBLAS instead of the reference BLAS cuts a label's time by a fifth; even a single process needs the MPI launcher.
cp2k:
	@command -v cp2k.psmp >/dev/null || command -v cp2k.ssmp >/dev/null || command -v cp2k >/dev/null \
	  || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null \
	       && apt-get update -q && apt-get install -y -q --no-install-recommends cp2k openmpi-bin libopenblas0-serial; } \
	  || { echo "CP2K is missing: install it (Debian: sudo apt-get install cp2k) or put cp2k.psmp on the PATH"; exit 1; }

# Potentials of other families, each in an environment of its own: 3 GB and two minutes, once. Where one cannot be made,
# its tests are skipped.
export NAGLASS_ENVIRONMENTS ?= $(CURDIR)/build/environments
environments: build
	for family in sevennet chgnet; do $(BIN)/python -m naglass_drv env make $$family || true; done

clean:
	rm -rf build python/naglass_drv/plugins python/naglass_drv/_core*.so
