# It counts the sockets of the network namespace that it runs in, as nobody, without capabilities, and writes nothing:
#
#   docker run --network host --read-only --cap-drop ALL tcp-state-exporter
#
# What else of the host buys what:
#
#   --volume /sys/fs/cgroup:/sys/fs/cgroup:ro    the cgroups that hold stuck sockets: unit or container; the cgroup namespace
#                                                may be its own
#   --pid host besides                           their processes, where all of a cgroup have the same name, and how many
#                                                descriptors these have open (Linux 6.2)
#   --user 0 --cap-add SYS_PTRACE                every process; capabilities that are added for another user than root are
#   --cap-add DAC_READ_SEARCH besides            never effective in Docker
#   --user 0 --cap-add BPF --cap-add PERFMON     the sockets of every network namespace (namespaces: all), and every process
#                                                that holds stuck ones; Docker from 23 on, Linux from 5.17. Both are dropped
#                                                when the program is loaded
#   --volume /var/log/pods:/var/log/pods:ro      and the names of the pods that these are
#
# The base needs Python 3.11 or newer with venv and pip, and the runtime the same Python at the same path; both are
# arguments, so that they can be any that you trust.
ARG BASE=python:3.13-slim-trixie
ARG RUNTIME=${BASE}

FROM ${BASE} AS build
WORKDIR /src
COPY constraints.txt constraints-auth.txt pyproject.toml config.example.yaml README.md LICENSE ./
COPY deploy deploy
COPY exporter exporter
# make image tells them; without, the version is what stands in the source.
ARG VERSION=
ARG REVISION=
# What only builds or tests is left out; what remains is compiled now, since nothing can be written later.
RUN python3 -m venv /opt/tcp-state-exporter \
 && /opt/tcp-state-exporter/bin/pip install --no-cache-dir --require-hashes \
        --requirement constraints.txt --requirement constraints-auth.txt \
 && TCPSTATE_VERSION="${VERSION}" TCPSTATE_REVISION="${REVISION}" \
    /opt/tcp-state-exporter/bin/pip install --no-cache-dir --no-build-isolation --no-deps . \
 && /opt/tcp-state-exporter/bin/pip uninstall --yes hatchling pathspec pluggy packaging trove-classifiers tomlkit pip \
 && rm -rf /opt/tcp-state-exporter/lib/python3*/site-packages/tornado/test \
        /opt/tcp-state-exporter/lib/python3*/site-packages/psutil/tests
COPY deploy/image/healthy.py /opt/tcp-state-exporter/

FROM ${RUNTIME}
ARG VERSION=
ARG REVISION=
LABEL org.opencontainers.image.title="tcp-state-exporter" \
      org.opencontainers.image.description="Prometheus exporter for a host's TCP sockets: by state, role and port, and which are stuck" \
      org.opencontainers.image.source="https://github.com/tcp-state-exporter/tcp-state-exporter" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/tcp-state-exporter /opt/tcp-state-exporter
# Nobody: no privileges are needed, and by number, so that runAsNonRoot can be checked. Nothing is written anywhere.
USER 65534:65534
EXPOSE 10060
# By the flags of the exporter that runs: its address and port, and whether it speaks TLS.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
    CMD ["/opt/tcp-state-exporter/bin/python", "/opt/tcp-state-exporter/healthy.py"]
ENTRYPOINT ["/opt/tcp-state-exporter/bin/tcp-state-exporter"]
