import json
from dataclasses import replace

from exporter.show import document
from tests.show import nodes, samples


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


def test_the_document_has_the_namespaces_with_what_they_are_and_what_bounds_them() -> None:
    found = json.loads(document.render(replace(samples.sample(), census=nodes.census()), "sock_diag"))

    pod, lab = found["namespaces"]
    assert pod == {
        "netns": nodes.POD.name,
        "kind": "pod",
        "namespace": "shop",
        "pod": "web-7d9f8b6c5d-x2k4q",
        "container": nodes.ID,
        "cgroup": f"/kubepods/{nodes.ID}",
        "busiest_destination": 2,
        "busiest_address": 3,
        "ephemeral_ports": 28232,
        "limits_and_counters": {
            "time_wait_limit": 131072,
            "time_wait_overflows": 0,
            "listen_overflows": 9,
            "listen_drops": 9,
        },
    }
    assert (lab["netns"], lab["kind"], lab["pod"]) == ("lab", "named", None)
    assert found["namespaces_missed"] == 1


def test_the_document_says_of_all_that_is_in_another_namespace_which() -> None:
    found = json.loads(document.render(replace(samples.sample(), census=nodes.census()), "sock_diag"))
    of = {name: [one.get("netns") for one in found[name]] for name in ("ports", "stuck", "owners", "holders")}

    assert of["ports"] == [*[None] * 5, nodes.POD.name, nodes.POD.name, "lab", "other"]
    assert of["stuck"] == [None, nodes.POD.name, "other"]
    assert of["owners"] == [None, None, nodes.POD.name]
    assert of["holders"] == [None, nodes.POD.name]


def test_where_only_our_own_namespace_is_read_the_document_has_no_other() -> None:
    found = json.loads(document.render(samples.sample(), "sock_diag"))

    assert (found["namespaces"], found["namespaces_missed"]) == ([], None)
