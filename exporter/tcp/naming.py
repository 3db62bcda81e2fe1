"""What a network namespace is called.

The best of what is known counts: the pod, or the container, of a process in it; its file in /run/netns, which container
runtimes make as well and give names that nobody knows; the unit of a process; its number. Of processes that say as much
the oldest counts: who came later may be there for a visit (nsenter(1)).

A name is printable, has no blanks, and no two namespaces have the same: all but one have their number behind it.
"""

from collections.abc import Iterable, Mapping

from exporter.tcp.cgroups import container, pod_uid, unit
from exporter.tcp.holders import Process
from exporter.tcp.namespaces import Kind, Namespace
from exporter.tcp.pods import Pod

RANKS: Mapping[Kind, int] = {"unknown": 0, "unit": 1, "named": 2, "container": 3, "pod": 4, "own": 5}
HOST = "host"
"""The namespace that the system has started in, for an exporter that is in another."""
OTHER = "other"
"""What those are told under that are too many, so none has this name for itself."""
LONGEST = 320
"""Characters of a name: those of a pod fit in."""
SHORT_ID = 12
_ID = 64


def of_number(number: int) -> Namespace:
    """One of which nothing else is known."""
    return Namespace(number, str(number))


def of_host(number: int, pid: int) -> Namespace:
    return Namespace(number, HOST, "host", pid=pid)


def of_file(number: int, file: str) -> Namespace:
    """One that has a name in /run/netns."""
    return Namespace(number, _clean(file), "named")


def of_process(number: int, process: Process, pods: Mapping[str, Pod]) -> Namespace:
    """One that *process* is in; *pods* are by their uid."""
    cgroup, within = process.cgroup, container(process.cgroup)
    found = Namespace(number, str(number), container=within, cgroup=cgroup, pid=process.pid)
    pod = pods.get(pod_uid(cgroup))
    if pod:
        return found._replace(name=f"{pod.namespace}/{pod.name}", kind="pod", namespace=pod.namespace, pod=pod.name)
    if within:
        return found._replace(name=_clean(_short(within)), kind="container")
    if unit(cgroup):
        return found._replace(name=_clean(unit(cgroup)), kind="unit")
    return found


def best(number: int, file: str, processes: Iterable[Process], pods: Mapping[str, Pod]) -> Namespace:
    """What the namespace is called that has this *file* in /run/netns, or none, and these *processes* in it."""
    by_age = sorted(processes, key=lambda process: process.started)
    found = [of_process(number, process, pods) for process in by_age] or [of_number(number)]
    named = max(found, key=_rank)
    if file and _rank(named) < RANKS["named"]:
        return named._replace(name=_clean(file), kind="named")
    return named


def is_final(namespace: Namespace) -> bool:
    """Whether no better name can be found while the process is there: none of a container that is in no pod."""
    return namespace.kind == "pod" or (namespace.kind == "container" and not pod_uid(namespace.cgroup))


def settled(before: Namespace, found: Namespace, *, is_same: bool) -> Namespace:
    """What is called now as is *found* that was called as *before*: a name stays, unless there is a better one.

    If it may not be the same namespace, but another that has got the number, it stays only if nothing is found.
    """
    if _is_found(found) and (not is_same or _rank(found) > _rank(before) or found.name == before.name):
        return found
    return before._replace(pid=found.pid)


def _is_found(namespace: Namespace) -> bool:
    return namespace.kind != "unknown" or namespace.pid > 0


def distinct(found: Iterable[Namespace], before: Mapping[int, Namespace]) -> dict[int, Namespace]:
    """Each by its number, under a name that no other has.

    Of those that would be called the same one keeps the name: who had it *before*, else who is nested least, as a
    container in a container is.
    """
    told: dict[int, Namespace] = {}
    taken = {"", OTHER}
    for one in sorted(found, key=lambda one: (one.name != _name(before.get(one.number)), len(one.cgroup), one.number)):
        told[one.number] = one._replace(name=f"{one.name} {one.number}") if one.name in taken else one
        taken.add(one.name)
    return told


def _name(namespace: Namespace | None) -> str:
    return namespace.name if namespace else ""


def _rank(namespace: Namespace) -> int:
    return RANKS[namespace.kind]


def _short(container: str) -> str:
    return container[:SHORT_ID] if len(container) == _ID else container


def _clean(name: str) -> str:
    """Without what could write to a reader's terminal, or be taken for a number behind the name."""
    return "".join(letter if letter.isprintable() and letter != " " else "_" for letter in name[:LONGEST])
