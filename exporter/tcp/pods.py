"""Kubernetes' pods, as the kubelet calls the directories of their logs: /var/log/pods/<namespace>_<pod>_<uid>.

Neither namespaces nor pods have an underscore in their names, which are those of DNS (RFC 1123, section 2.1); the uid
of a static pod is the hash of its manifest.
"""

import re
from typing import NamedTuple

from exporter.tcp.cgroups import UID

_DIRECTORY = re.compile(f"([a-z0-9-]{{1,63}})_([a-z0-9.-]{{1,253}})_({UID})")


class Pod(NamedTuple):
    """A pod."""

    namespace: str
    name: str


def pod(directory: str) -> tuple[str, Pod] | None:
    """The uid of the pod whose logs are there, as cgroups.pod_uid() gives it, and the pod; None for any other name."""
    found = _DIRECTORY.fullmatch(directory)
    return (found[3], Pod(found[1], found[2])) if found else None
