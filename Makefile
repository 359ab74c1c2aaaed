# Needs make and Python 3.11 or newer; everything else goes into .venv.
# PYTHON=... names the Python to make .venv with; ARGS=... is handed to pytest or the benchmarks.

VENV   := .venv
BIN    := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help run test soak bench figures packs pack-toybox pack-cifar10 methods seeds grid comparison screenshots lock audit sbom clean

help:
	@echo "make run          start the dashboard and open it in the browser"
	@echo "make test         check the code and run every test, those in a real browser too (ARGS=\"-k verdict\" for some)"
	@echo "make soak         try to break it: many people, hostile files, faults (ARGS=\"hostile --minutes 1\" for one, shorter)"
	@echo "make bench        measure speed, as ratios side by side (ARGS=\"probe\", \"verdict\" or \"start\" for one)"
	@echo "make figures      make the figures of the documents anew, from the packs (ARGS=--measure: on pictures too; ARGS=--tables: from the files as they are)"
	@echo "make packs        train both networks and build their packs (BLOCKSCOPE_DATA=folder for the photos; hours)"
	@echo "make methods      train the networks of the comparison of training methods (make seeds: twice more on the toybox; hours)"
	@echo "make grid         search alpha and eps for it; make comparison: measure what came of it (docs/training.md)"
	@echo "make screenshots  draw the pictures of the README anew"
	@echo "make lock         write requirements.lock anew: every version with its hashes (make audit: known holes in it; make sbom: build/sbom.json)"
	@echo "make clean        remove .venv and what the tools left"

run: $(VENV)/.run
	$(BIN)/python -m streamlit run dashboard/app.py --server.showEmailPrompt=false $(ARGS)

test: $(VENV)/.test
	@sh tools/install_chromium.sh || true
	@sh tools/install_postgres.sh || true
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy
ifdef ARGS
	$(BIN)/python -m pytest $(ARGS)
else  # side by side, a core each; then alone what a person sees, who would not wait for other tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not browser" --numprocesses auto --maxprocesses 8 --dist worksteal
	$(BIN)/python -m pytest -m browser
endif

soak: $(VENV)/.test
	@sh tools/install_postgres.sh || true
	$(BIN)/python -m tests.soak $(ARGS)

bench: $(VENV)/.test
	@sh tools/install_chromium.sh || true
	$(BIN)/python -m benchmarks.run $(ARGS)

figures: $(VENV)/.run
	$(BIN)/python -m benchmarks.figures $(ARGS)

screenshots: $(VENV)/.test
	@sh tools/install_chromium.sh
	$(BIN)/python -m pytest tests/browser --screenshots -k screenshots

# The packs that ship. Everything that decides their figures stands here.
OUT       ?= assets/packs
PRECISION ?= bf16
TRAIN     := $(BIN)/python -m core train --precision $(PRECISION)
TOYBOX    ?= --data toybox:train --val toybox:test --holdout 2000 --arch cifar_resnet18 --width 16 --epochs 16 --border crop \
             --ood near=toybox:near --ood textures=toybox:textures --ood noise=toybox:noise --ood letters=toybox:letters
CIFAR10   ?= --holdout 2000 --arch cifar_resnet18 --width 32 --epochs 25 --jpeg 75
CLASSES   := airplane,automobile,bird,cat,deer,dog,frog,horse,ship,truck

packs: pack-toybox pack-cifar10

pack-toybox: $(VENV)/.run
	$(TRAIN) $(TOYBOX) --out $(OUT)/toybox

pack-cifar10: $(VENV)/.run
ifdef BLOCKSCOPE_DATA
	$(TRAIN) $(CIFAR10) --data "$(BLOCKSCOPE_DATA)/cifar10_train.parquet" --val "$(BLOCKSCOPE_DATA)/cifar10_test.parquet" --classes $(CLASSES) \
		$(foreach set,$(wildcard $(BLOCKSCOPE_DATA)/ood/*.parquet),--ood $(basename $(notdir $(set)))=$(set)) --out $(OUT)/cifar10
else
	@echo "BLOCKSCOPE_DATA names no folder: torchvision downloads CIFAR-10."
	$(BIN)/python -m core download CIFAR10
	$(TRAIN) $(CIFAR10) --data torchvision:CIFAR10/train --val torchvision:CIFAR10/test --classes $(CLASSES) --out $(OUT)/cifar10
endif

# The networks of the comparison of training methods: they differ in the method alone.
METHODS  := standard mixup m-tlat adversarial-mixup
COMPARED := --width 16 --ema 0.99 --holdout 1000 --bank 500 --ood-limit 100
ON_TOYS  := --arch cifar_resnet18 --epochs 8 --batch-size 128 --peak 0.2 --limit 6000 --border crop --data toybox:train --val toybox:test \
            --ood near=toybox:near --ood textures=toybox:textures --ood noise=toybox:noise --ood letters=toybox:letters
ON_CIFAR := --epochs 10 --jpeg 75 --data "$(BLOCKSCOPE_DATA)/cifar10_train.parquet" --val "$(BLOCKSCOPE_DATA)/cifar10_test.parquet" --classes $(CLASSES) \
            $(foreach set,$(wildcard $(BLOCKSCOPE_DATA)/ood/*.parquet),--ood $(basename $(notdir $(set)))=$(set)) \
            --ood uniform=noise:uniform --ood gaussian=noise:gaussian
FOUND_adversarial-mixup := --alpha 0.3 --eps 0.0078431
FOUND_m-tlat            := --eps 0.0078431
SEEDS    ?= build/packs

methods: $(METHODS:%=toybox-%) $(METHODS:%=cifar10-%-resnet18) $(METHODS:%=cifar10-%-vgg16)

seeds: $(METHODS:%=toybox-%-1) $(METHODS:%=toybox-%-2)

$(METHODS:%=toybox-%): toybox-%: $(VENV)/.run
	$(TRAIN) --method $* $(FOUND_$*) $(COMPARED) $(ON_TOYS) --out $(OUT)/$@

$(METHODS:%=toybox-%-1): toybox-%-1: $(VENV)/.run
	$(TRAIN) --method $* $(FOUND_$*) $(COMPARED) $(ON_TOYS) --seed 1 --out $(SEEDS)/$@

$(METHODS:%=toybox-%-2): toybox-%-2: $(VENV)/.run
	$(TRAIN) --method $* $(FOUND_$*) $(COMPARED) $(ON_TOYS) --seed 2 --out $(SEEDS)/$@

$(METHODS:%=cifar10-%-resnet18): cifar10-%-resnet18: $(VENV)/.run
	$(TRAIN) --method $* $(FOUND_$*) --arch cifar_resnet18 $(COMPARED) $(ON_CIFAR) --out $(OUT)/$@

$(METHODS:%=cifar10-%-vgg16): cifar10-%-vgg16: $(VENV)/.run
	$(TRAIN) --method $* $(FOUND_$*) --arch cifar_vgg16_bn $(COMPARED) $(ON_CIFAR) --out $(OUT)/$@

grid: $(VENV)/.run
	$(BIN)/python -m benchmarks.training_grid --data "$(BLOCKSCOPE_DATA)"

comparison: $(VENV)/.run
	$(BIN)/python -m benchmarks.training_methods --data "$(BLOCKSCOPE_DATA)" --packs $(SEEDS) $(ARGS)

# Tools with many dependencies of their own stay out of .venv.
TOOLS := build/tools

lock: $(TOOLS)/.made
	@sh tools/lock.sh $(TOOLS)/bin/uv

audit: $(TOOLS)/.made
	$(BIN)/python tools/audit.py $(TOOLS)/bin/pip-audit requirements.lock

sbom: $(TOOLS)/.made
	$(TOOLS)/bin/cyclonedx-py requirements requirements.lock --output-format JSON --output-file build/sbom.json
	@echo "build/sbom.json"

$(TOOLS)/.made: requirements-tools.txt | $(BIN)/python
	@mkdir -p build
	$(BIN)/python -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet -r requirements-tools.txt
	@touch $@

# .venv is made once; a stamp in it is older than a list of requirements only when that list has changed.
$(VENV)/.run: requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install -r requirements.txt
	@touch $@

$(VENV)/.test: requirements-test.txt requirements.txt requirements-signin.txt | $(BIN)/python
	$(BIN)/python -m pip install -r requirements-test.txt
	@touch $@ $(VENV)/.run

$(BIN)/python:
	@sh tools/make_venv.sh $(VENV) $(PYTHON)

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .hypothesis build test-results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
