import pytest

from exporter.tcp.cgroups import pod_uid
from exporter.tcp.pods import Pod, pod

UID = "01234567-89ab-cdef-0123-456789abcdef"
STATIC = "0123456789abcdef" * 2


@pytest.mark.parametrize(
    ("directory", "expected"),
    [
        (f"shop_web-0_{UID}", (UID, Pod("shop", "web-0"))),
        (f"kube-system_etcd-node.example_{STATIC}", (STATIC, Pod("kube-system", "etcd-node.example"))),
        (f"{'n' * 63}_{'p' * 253}_{UID}", (UID, Pod("n" * 63, "p" * 253))),
    ],
)
def test_a_directory_of_logs_tells_namespace_pod_and_uid(directory: str, expected: tuple[str, Pod]) -> None:
    assert pod(directory) == expected


@pytest.mark.parametrize(
    "directory",
    [
        UID,  # as kubelets before 1.14 called it
        f"web-0_{UID}",
        f"a_b_c_{UID}",
        f"shop__{UID}",
        f"shop_web-0_{UID}0",
        f"shop_web-0_{UID}\n",
        f"shop_web 0_{UID}",
        f"shop_web-0\u202e_{UID}",
        f"{'n' * 64}_web-0_{UID}",
        f"shop_{'p' * 254}_{UID}",
        "shop_web-0_1",
        "",
    ],
)
def test_no_other_name_is_that_of_a_pod(directory: str) -> None:
    assert pod(directory) is None


@pytest.mark.parametrize("uid", [UID, STATIC])
def test_the_uid_is_the_one_that_the_cgroup_tells(uid: str) -> None:
    found = pod(f"shop_web-0_{uid}")

    assert found is not None
    assert found[0] == pod_uid(f"/kubepods.slice/kubepods-pod{uid.replace('-', '_')}.slice") == uid
