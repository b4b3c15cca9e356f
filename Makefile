# make demo: separate the bundled example; make test: run the tests.
# Both make the environment .venv once. Needs a Python that TensorFlow has: 3.11 to 3.13.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
EXAMPLE = examples/everything-is-free
OUT = demo-output

.PHONY: demo test clean

demo: .venv/ready
	mkdir -p $(OUT)
	.venv/bin/python separate.py --model uhnet $(EXAMPLE)/mixture.flac $(OUT)/vocals.wav --accompaniment $(OUT)/accompaniment.wav
	@echo "Listen to $(OUT)/vocals.wav and $(OUT)/accompaniment.wav; the true stems are in $(EXAMPLE)/"

test: .venv/ready
	.venv/bin/python -m pytest -n 2 --dist worksteal

.venv/ready: setup.cfg
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo "This needs Python 3.11, 3.12 or 3.13: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --disable-pip-version-check -e '.[test]'
	touch $@

clean:
	rm -rf .venv $(OUT) build dist *.egg-info
