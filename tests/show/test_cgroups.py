import pytest

from exporter.show.cgroups import container_id, short_cgroup

INNER, OUTER = "0123456789abcdef" * 4, "f" * 64


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


@pytest.mark.parametrize(
    ("path", "container"),
    [
        (f"/system.slice/docker-{INNER}.scope", INNER),
        (f"/docker/{INNER}/system.slice/nginx.service", INNER),
        (f"/docker/{OUTER}/docker/{INNER}", INNER),
        (f"/docker/{INNER}0", ""),
        ("/system.slice/docker-0123456789ab.scope", ""),
        ("/system.slice/nginx.service", ""),
        ("", ""),
    ],
)
def test_the_innermost_container_is_found_by_its_64_digits(path: str, container: str) -> None:
    assert container_id(path) == container
