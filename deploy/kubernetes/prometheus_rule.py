#!/usr/bin/env python3
"""Writes the PrometheusRule from the rules and alerts of deploy/prometheus, as make kubernetes does."""

import textwrap
from pathlib import Path

HERE = Path(__file__).parent
SOURCES = (HERE.parent / "prometheus/rules.yml", HERE.parent / "prometheus/alerts.yml")
TARGET = HERE / "components/rules/prometheusrule.yaml"

_HEAD = """\
# Written by deploy/kubernetes/prometheus_rule.py from deploy/prometheus; change that.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: tcp-state-exporter
  namespace: tcp-state-exporter
  labels:
    app.kubernetes.io/name: tcp-state-exporter
spec:
  groups:
"""
_GROUPS = "\ngroups:\n"


def prometheus_rule() -> str:
    """The manifest: the groups of all files as they are, one level deeper."""
    groups = [source.read_text().split(_GROUPS, 1)[1] for source in SOURCES]
    return _HEAD + "\n".join(textwrap.indent(one, "  ") for one in groups)


if __name__ == "__main__":
    TARGET.write_text(prometheus_rule())
