import pytest

from exporter.tcp.cgroups import Says, is_manager, says, telling

ID = "0123456789abcdef" * 4
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
