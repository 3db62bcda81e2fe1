import subprocess
from pathlib import Path

import pytest

from tests.lab import netns, pods
from tests.lab.witness import wait_for


@pytest.mark.kernel
def test_within_a_node_its_logs_are_where_they_are_on_a_real_one_and_later_namespaces_have_files() -> None:
    waits = "ls /var/log/pods; read line; stat -Lc %i $(ls -d /run/netns/*)"
    with (
        pods.node() as node,
        subprocess.Popen(
            [*node.within(), "sh", "-c", waits], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as inside,
    ):
        assert inside.stdout
        names = [inside.stdout.readline().strip() for _ in node.pods]
        assert sorted(names) == sorted(f"{pod.namespace}_{pod.name}_{pod.uid}" for pod in node.pods)

        with netns.namespace() as later:
            numbers = inside.communicate("\n")[0].split()
            assert later.run("stat", "-Lc", "%i", "/proc/self/ns/net").strip() in numbers


@pytest.mark.kernel
def test_a_pod_is_a_namespace_a_cgroup_and_a_process_and_nothing_is_left_of_it() -> None:
    with pods.node() as node:
        for pod in node.pods:
            inside = pod.network.run("stat", "-Lc", "%i", "/proc/self/ns/net")
            outside = subprocess.check_output(["stat", "-Lc", "%i", f"/proc/{pod.pause}/ns/net"], text=True)
            assert inside == outside
            assert pod.container in pod.cgroup.path
        folders = [pod.cgroup.folder for pod in node.pods]
        pids = [pod.pause for pod in node.pods]

    assert [folder.parents[2].exists() for folder in folders] == [False, False]
    assert not node.logs.exists()
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), "all have ended")
