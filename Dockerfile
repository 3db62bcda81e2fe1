# The base needs Python 3.11 or newer with venv and pip; it is an argument, so that it can be any that you trust.
ARG BASE=python:3.13-slim-trixie

FROM ${BASE} AS build
WORKDIR /src
COPY constraints.txt constraints-auth.txt pyproject.toml README.md LICENSE ./
COPY exporter exporter
RUN python3 -m venv /opt/tcp-state-exporter \
 && /opt/tcp-state-exporter/bin/pip install --no-cache-dir --require-hashes \
        --requirement constraints.txt --requirement constraints-auth.txt \
 && /opt/tcp-state-exporter/bin/pip install --no-cache-dir --no-build-isolation --no-deps . \
 && /opt/tcp-state-exporter/bin/pip uninstall --yes hatchling pathspec pluggy packaging trove-classifiers tomlkit pip

FROM ${BASE}
LABEL org.opencontainers.image.title="tcp-state-exporter" \
      org.opencontainers.image.description="Prometheus exporter for a host's TCP sockets: by state, role and port, and which are stuck" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/tcp-state-exporter /opt/tcp-state-exporter
# Nobody: no privileges are needed, and by number, so that runAsNonRoot can be checked. Nothing is written anywhere.
USER 65534:65534
EXPOSE 10060
HEALTHCHECK --interval=30s --timeout=5s CMD ["/opt/tcp-state-exporter/bin/python", "-c", \
    "import urllib.request as r; r.urlopen('http://127.0.0.1:10060/-/healthy', timeout=3)"]
ENTRYPOINT ["/opt/tcp-state-exporter/bin/tcp-state-exporter"]
