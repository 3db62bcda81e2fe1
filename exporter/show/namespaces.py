"""Whose each network namespace is, as a metric for joins with what others know of pods and containers."""

from collections.abc import Iterable

from prometheus_client.core import InfoMetricFamily, Metric

from exporter.show.metrics import PREFIX
from exporter.tcp.namespaces import Namespace


def netns_info(namespaces: Iterable[Namespace]) -> Metric:
    """A series for each of the *namespaces*; the name of ours is empty, which is the same as no label."""
    family = InfoMetricFamily(PREFIX + "netns", "Network namespaces: whose sockets are told with the label netns.")
    for namespace in namespaces:
        family.add_metric([], _labels(namespace))
    return family


def _labels(namespace: Namespace) -> dict[str, str]:
    told = namespace._asdict()
    return {"netns": namespace.name} | {
        name: told[name] for name in ("kind", "namespace", "pod", "container", "cgroup")
    }
