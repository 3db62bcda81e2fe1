from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from exporter.show.namespaces import netns_info
from exporter.tcp.namespaces import OURS, Namespace

ID = "0123456789abcdef" * 4


class Given(Collector):
    def __init__(self, metric: Metric) -> None:
        self.metric = metric

    def collect(self) -> list[Metric]:
        return [self.metric]


def exposed(*namespaces: Namespace) -> list[str]:
    """The series, as Prometheus reads them."""
    registry = CollectorRegistry()
    registry.register(Given(netns_info(namespaces)))
    return [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]


def test_a_pod_is_told_with_all_that_others_know_it_by() -> None:
    pod = Namespace(7, "shop/web-0", "pod", "shop", "web-0", ID, f"/kubepods/pod1/{ID}", 4711)

    [line] = exposed(pod)

    assert line == (
        f'tcpstate_netns_info{{cgroup="/kubepods/pod1/{ID}",container="{ID}",kind="pod",namespace="shop",'
        'netns="shop/web-0",pod="web-0"} 1.0'
    )


def test_of_our_own_namespace_the_label_is_empty_as_it_is_with_its_sockets() -> None:
    assert exposed(OURS) == ['tcpstate_netns_info{cgroup="",container="",kind="own",namespace="",netns="",pod=""} 1.0']


def test_each_namespace_has_a_series() -> None:
    assert len(exposed(OURS, Namespace(7, "blue", "named"), Namespace(8, "8"))) == 3


def test_a_name_cannot_break_out_of_its_label() -> None:
    [line] = exposed(Namespace(7, 'a"b\\c', "named"))

    assert r'netns="a\"b\\c"' in line
