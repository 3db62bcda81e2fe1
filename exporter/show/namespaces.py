"""Whose each network namespace is, as a metric for joins with what others know of pods and containers."""

from collections.abc import Iterable

from prometheus_client.core import InfoMetricFamily, Metric

from exporter.show.series import PREFIX
from exporter.tcp.namespaces import Namespace


def netns_info(namespaces: Iterable[Namespace]) -> Metric:
    """A series for each of the *namespaces*; the name of ours is empty, which is the same as no label."""
    family = InfoMetricFamily(PREFIX + "netns", "Network namespaces: whose sockets are told with the label netns.")
    for namespace in namespaces:
        family.add_metric([], {"netns": namespace.name, **described(namespace)})
    return family


def described(namespace: Namespace) -> dict[str, str]:
    """What others know it by; empty is what it has not, or is not known."""
    told = namespace._asdict()
    return {name: told[name] for name in ("kind", "namespace", "pod", "container", "cgroup")}
