import pytest

from exporter.tcp.cgroups import Says, container, container_id, is_manager, pod_uid, says, telling, unit

ID, OUTER = "0123456789abcdef" * 4, "f" * 64
UID = "01234567-89ab-cdef-0123-456789abcdef"


@pytest.mark.parametrize(
    ("path", "meaning"),
    [
        (f"/system.slice/docker-{ID}.scope", Says.CONTAINER),
        (f"/docker/{ID}", Says.CONTAINER),
        (f"/docker/{ID}/init.scope", Says.CONTAINER),
        (f"/kubepods.slice/kubepods-pod{UID.replace('-', '_')}.slice/cri-containerd-{ID}.scope", Says.CONTAINER),
        (f"/kubepods.slice/kubepods-pod{UID.replace('-', '_')}.slice/crio-{ID}.scope", Says.CONTAINER),
        (f"/machine.slice/libpod-{ID}.scope/container", Says.CONTAINER),
        (f"/kubepods/besteffort/pod{UID}/{ID}", Says.CONTAINER),
        (f"/system.slice/containerd.service/kubepods-besteffort-pod1.slice:cri-containerd:{ID}", Says.CONTAINER),
        ("/lxc.payload.web/system.slice/nginx.service", Says.CONTAINER),
        ("/lxc/web", Says.CONTAINER),
        ("/machine.slice/machine-web.scope", Says.CONTAINER),
        (f"/kubepods/besteffort/pod{UID}", Says.POD),
        (f"/kubepods.slice/kubepods-pod{UID.replace('-', '_')}.slice", Says.POD),
        (f"/kubepods/besteffort/pod{UID.replace('-', '')}", Says.POD),
        ("/system.slice/nginx.service", Says.UNIT),
        ("/system.slice/nginx.service/worker", Says.UNIT),
        ("/user.slice/user-0.slice/session-3.scope", Says.UNIT),
        ("/web", Says.NAME),
        ("/lxc.monitor.web", Says.NAME),
        (f"/docker/{ID[:12]}", Says.NAME),
        ("/system.slice", Says.SLICE),
        ("/user.slice/user-0.slice", Says.SLICE),
        ("/init.scope", Says.LITTLE),
        ("/user.slice/user-0.slice/user@0.service/init.scope", Says.LITTLE),
        ("/system.slice/gunicorn.socket", Says.LITTLE),
        ("/", Says.NOTHING),
        ("/..", Says.NOTHING),
        ("/../..", Says.NOTHING),
        ("", Says.NOTHING),
    ],
)
def test_the_shape_of_a_path_says_what_it_tells(path: str, meaning: Says) -> None:
    assert says(path) is meaning


def test_of_several_paths_the_first_of_those_that_say_most_is_told() -> None:
    assert telling(["/", "/system.slice", "/a.service", "", "/b.service", "/web"]) == "/a.service"
    assert telling(["", "/"]) == "/"
    assert telling([]) == ""


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/init.scope", True), (f"/docker/{ID}/init.scope", True), ("/my-init.scope", False), ("/a.service", False)],
)
def test_systemd_is_known_by_its_cgroup(path: str, expected: bool) -> None:  # noqa: FBT001 - a table
    assert is_manager(path) is expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"/system.slice/docker-{ID}.scope", ID),
        (f"/docker/{ID}/system.slice/nginx.service", ID),
        (f"/docker/{OUTER}/docker/{ID}", ID),
        (f"/docker/{ID}0", ""),
        ("/system.slice/docker-0123456789ab.scope", ""),
        ("/system.slice/nginx.service", ""),
        ("", ""),
    ],
)
def test_the_innermost_container_is_found_by_its_64_digits(path: str, expected: str) -> None:
    assert container_id(path) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"/system.slice/docker-{ID}.scope", ID),
        ("/lxc.payload.web/system.slice/nginx.service", "web"),
        ("/lxc/web", "web"),
        (r"/machine.slice/machine-my\x2dweb.scope/payload", "my-web"),
        (f"/machine.slice/machine-libpod_pod_{OUTER}.slice/libpod-{ID}.scope", ID),
        ("/machine.slice/machine-web.slice", ""),
        ("/lxc.monitor.web", ""),
        ("/system.slice/nginx.service", ""),
    ],
)
def test_a_container_without_an_id_has_a_name(path: str, expected: str) -> None:
    assert container(path) == expected


STATIC = UID.replace("-", "")
SYSTEMD = UID.replace("-", "_")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"/kubepods/besteffort/pod{UID}/{ID}", UID),
        (f"/kubepods/pod{UID}", UID),
        (f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{SYSTEMD}.slice/crio-{ID}.scope", UID),
        (f"/../../kubepods-pod{SYSTEMD}.slice/cri-containerd-{ID}.scope", UID),
        (f"/system.slice/containerd.service/kubepods-besteffort-pod{SYSTEMD}.slice:cri-containerd:{ID}", UID),
        (f"/kubepods.slice/kubepods-pod{STATIC}.slice/docker-{ID}.scope", STATIC),
        (f"/kubepods.slice/kubepods-pod{SYSTEMD}.slice/docker-{ID}.scope/kubepods/pod{STATIC}/{ID}", STATIC),
        (f"/machine.slice/machine-libpod_pod_{OUTER}.slice/libpod-{ID}.scope", ""),
        (f"/docker/{ID}", ""),
        (f"/kubepods/pod{STATIC}0", ""),
        ("/", ""),
    ],
)
def test_a_pod_is_known_by_its_uid_however_it_is_written(path: str, expected: str) -> None:
    assert pod_uid(path) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/system.slice/nginx.service", "nginx.service"),
        ("/system.slice/nginx.service/worker", "nginx.service"),
        ("/user.slice/user-1.slice/user@1.service/app.slice/web.service", "web.service"),
        ("/user.slice/user-0.slice/session-3.scope", "session-3.scope"),
        ("/../system.slice/nginx.service", "nginx.service"),
        ("/machine.slice/systemd-nspawn@web.service/payload/init.scope", "systemd-nspawn@web.service"),
        ("/init.scope", ""),
        ("/system.slice", ""),
        ("/web", ""),
        ("/", ""),
    ],
)
def test_a_unit_is_the_innermost_service_or_scope(path: str, expected: str) -> None:
    assert unit(path) == expected
