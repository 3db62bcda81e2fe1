import pytest

from exporter.show.cgroups import short_cgroup

INNER = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("path", "short"),
    [
        ("/system.slice/nginx.service", "nginx.service"),
        (f"/system.slice/docker-{INNER}.scope", "docker-0123456789ab.scope"),
        (f"/kubepods.slice/kubepods-pod1.slice/cri-containerd-{INNER}.scope", "cri-containerd-0123456789ab.scope"),
        (f"/docker/{INNER}/system.slice/nginx.service", "nginx.service in 0123456789ab"),
        (f"/machine.slice/libpod-{INNER}.scope/container", "container in 0123456789ab"),
        ("/job-" + "0123456789abcdef" * 2, "job-0123456789ab"),
        ("/", ""),
        ("", ""),
    ],
)
def test_a_cgroup_is_called_by_its_last_part_and_its_container(path: str, short: str) -> None:
    assert short_cgroup(path) == short
