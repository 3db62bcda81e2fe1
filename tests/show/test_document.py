import json

from exporter.show import document
from tests.show import samples


def test_the_document_has_all_that_the_census_has() -> None:
    found = json.loads(document.render(samples.sample(), "sock_diag"))

    assert found["source"] == "sock_diag"
    assert found["totals"]["fin_wait2"] == 289
    assert found["ports"][0]["sockets"]["established"] == 1200
    assert found["ports"][0]["accept_queue"] == {"queued": 5, "limit": 4096}
    assert "accept_queue" not in found["ports"][3]
    assert found["limits_and_counters"]["time_wait_limit"] == 131072
    assert (found["busiest_destination"], found["ephemeral_ports"]) == (17, 28232)


def test_the_document_has_the_stuck_sockets_and_their_owners() -> None:
    found = json.loads(document.render(samples.sample(), "sock_diag"))

    [socket] = found["stuck"]
    assert (socket["local"], socket["age_seconds"], socket["ends_by"]) == ("192.0.2.1:443", 10800.5, "nothing")
    assert found["owners"][0] == {
        "role": "server",
        "port": "443",
        "state": "fin_wait2",
        "cgroup": "/system.slice/nginx.service",
        "process": "nginx",
        "sockets": 270,
    }
