"""Network namespaces, and what people call them."""

from typing import Literal, NamedTuple

OWN = 0
"""The number of this process' own namespace, which needs no name. Those of others are inodes."""

Kind = Literal["own", "pod", "container", "named", "unit", "host", "unknown"]


class Namespace(NamedTuple):
    """A network namespace as it is told of."""

    number: int
    """The inode of /proc/PID/ns/net, or OWN."""
    name: str
    """What people know it by: ``namespace/pod``, a short container id, the name in /run/netns, a unit, or its number;
    empty for our own."""
    kind: Kind = "unknown"
    namespace: str = ""
    """Of a pod, in Kubernetes."""
    pod: str = ""
    container: str = ""
    """The id in full, of the one that the namespace was found through: those of a pod share it."""
    cgroup: str = ""
    """The path of one that has a process in the namespace."""
    pid: int = 0
    """Of one of its processes, or 0 where none is known."""


OURS = Namespace(OWN, "", "own")
