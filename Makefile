# The commands of the README, nothing hidden behind them.
PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
JOBS ?= $(shell nproc)
CMAKE_ARGS ?=
export PATH := $(BIN):$(PATH)

.PHONY: quickstart test bench build dev cp2k clean

# From nothing to a report: what is missing is installed, the chain runs on two ranks.
quickstart: build cp2k
	cd examples/quickstart && $(BIN)/mpirun -n 2 $(BIN)/python -m naglass_drv run input.yaml
	@echo "the report: $(CURDIR)/examples/quickstart/run/report.html"

test: build cp2k
	$(BIN)/python -m pytest -q tests

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
