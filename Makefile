# The commands of the README, nothing hidden behind them.
PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
JOBS ?= $(shell nproc)
CMAKE_ARGS ?=
export PATH := $(BIN):$(PATH)

.PHONY: build dev clean

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

clean:
	rm -rf build python/naglass_drv/plugins python/naglass_drv/_core*.so
