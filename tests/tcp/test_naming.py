import pytest

from exporter.tcp.holders import Process
from exporter.tcp.namespaces import Namespace
from exporter.tcp.naming import LONGEST, best, distinct, is_final, of_file, of_number, of_process, settled
from exporter.tcp.pods import Pod

ID, OTHER_ID = "0123456789abcdef" * 4, "f" * 64
UID = "01234567-89ab-cdef-0123-456789abcdef"
STATIC = UID.replace("-", "")
SYSTEMD = UID.replace("-", "_")
PODS = {UID: Pod("shop", "web-0"), STATIC: Pod("kube-system", "etcd-node")}
IN_POD = f"/kubepods.slice/kubepods-pod{SYSTEMD}.slice/cri-containerd-{ID}.scope"


def process(cgroup: str, pid: int = 20, started: int = 1) -> Process:
    return Process(pid, "x", cgroup, started)


def called(cgroup: str) -> tuple[str, str]:
    """Kind and name of a namespace that a process of this *cgroup* is in."""
    found = of_process(7, process(cgroup), PODS)
    return found.kind, found.name


@pytest.mark.parametrize(
    ("cgroup", "expected"),
    [
        (IN_POD, ("pod", "shop/web-0")),
        (f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{SYSTEMD}.slice/crio-{ID}.scope",
         ("pod", "shop/web-0")),
        (f"/kubepods/besteffort/pod{UID}/{ID}", ("pod", "shop/web-0")),
        (f"/../../pod{UID}/{ID}", ("pod", "shop/web-0")),
        (f"/kubepods.slice/kubepods-pod{STATIC}.slice/docker-{ID}.scope", ("pod", "kube-system/etcd-node")),
        (f"/kubepods/pod{UID}", ("pod", "shop/web-0")),
        (f"/kubepods/pod{UID[:-1]}0/{ID}", ("container", ID[:12])),
        (f"/system.slice/docker-{ID}.scope", ("container", ID[:12])),
        (f"/docker/{ID}/system.slice/nginx.service", ("container", ID[:12])),
        (f"/machine.slice/libpod-{ID}.scope/container", ("container", ID[:12])),
        ("/lxc.payload.web/system.slice/nginx.service", ("container", "web")),
        (r"/machine.slice/machine-my\x2dweb.scope", ("container", "my-web")),
        ("/system.slice/nginx.service/worker", ("unit", "nginx.service")),
        ("/web", ("unknown", "7")),
        ("/", ("unknown", "7")),
        ("/../..", ("unknown", "7")),
    ],
)  # fmt: skip
def test_a_namespace_is_called_by_what_the_cgroup_of_a_process_tells(cgroup: str, expected: tuple[str, str]) -> None:
    assert called(cgroup) == expected


def test_the_parts_of_a_pod_are_told() -> None:
    assert of_process(7, process(IN_POD), PODS) == Namespace(7, "shop/web-0", "pod", "shop", "web-0", ID, IN_POD, 20)


@pytest.mark.parametrize(
    ("cgroups", "file", "expected"),
    [
        (["/", f"/docker/{ID}", IN_POD], "cni-1", "shop/web-0"),
        (["/a.service", f"/docker/{ID}"], "cni-1", ID[:12]),
        (["/a.service"], "blue", "blue"),
        (["/", "/a.service"], "", "a.service"),
        (["/"], "", "7"),
        ([], "blue", "blue"),
        ([], "", "7"),
    ],
)
def test_the_best_of_all_that_is_known_counts(cgroups: list[str], file: str, expected: str) -> None:
    assert best(7, file, map(process, cgroups), PODS).name == expected


def test_the_process_is_told_also_where_the_name_is_that_of_the_file() -> None:
    assert best(7, "blue", [process("/a.service")], PODS) == Namespace(7, "blue", "named", cgroup="/a.service", pid=20)


def test_who_visits_a_container_from_another_does_not_give_it_a_name() -> None:
    visitor = process(f"/docker/{OTHER_ID}", pid=3, started=900)
    owner = process(f"/docker/{ID}", pid=4, started=100)

    assert best(7, "", [visitor, owner], {}).container == ID


def test_a_name_can_be_written_to_a_terminal_and_has_no_blank() -> None:
    assert of_file(7, "a b\x1b[2J\nc\udcff").name == "a_b_[2J_c_"


def test_a_name_has_an_end_which_no_pod_reaches() -> None:
    pods = {UID: Pod("n" * 63, "p" * 253)}

    assert len(of_file(7, "x" * 1000).name) == LONGEST
    assert of_process(7, process(IN_POD), pods).name == f"{'n' * 63}/{'p' * 253}"
    assert len(f"{'n' * 63}/{'p' * 253}") <= LONGEST


POD = of_process(7, process(IN_POD), PODS)
CONTAINER = of_process(7, process(IN_POD), {})
UNIT = of_process(7, process("/a.service"), {})


def test_a_better_name_takes_the_place_of_a_worse_one() -> None:
    assert settled(CONTAINER, POD, is_same=True) == POD
    assert settled(of_number(7), UNIT, is_same=True) == UNIT


def test_a_worse_or_another_name_does_not_and_yet_the_process_is_the_new_one() -> None:
    sibling = of_process(7, process(f"/docker/{OTHER_ID}", pid=30), {})

    assert settled(POD, UNIT._replace(pid=30), is_same=True) == POD._replace(pid=30)
    assert settled(CONTAINER, sibling, is_same=True) == CONTAINER._replace(pid=30)


def test_a_pod_whose_container_was_started_anew_is_told_with_the_new_one() -> None:
    anew = of_process(7, process(IN_POD.replace(ID, OTHER_ID), pid=30), PODS)

    assert settled(POD, anew, is_same=True) == anew


def test_another_namespace_that_has_got_the_number_does_not_get_the_name() -> None:
    assert settled(POD, UNIT, is_same=False) == UNIT
    assert settled(POD, of_process(7, process("/"), {}), is_same=False).name == "7"


def test_where_nothing_is_found_any_more_the_name_stays_without_a_process() -> None:
    assert settled(POD, of_number(7), is_same=False) == POD._replace(pid=0)


@pytest.mark.parametrize(
    ("namespace", "expected"),
    [(POD, True), (of_process(7, process(f"/docker/{ID}"), {}), True), (CONTAINER, False), (UNIT, False)],
)
def test_for_a_pod_and_for_a_container_outside_of_pods_there_is_no_better_name(
    namespace: Namespace,
    expected: bool,  # noqa: FBT001 - a table
) -> None:
    assert is_final(namespace) is expected


def names(*namespaces: Namespace, before: dict[int, Namespace] | None = None) -> list[str]:
    told = distinct(namespaces, before or {})
    return [told[one.number].name for one in namespaces]


def unit(number: int, cgroup: str = "/a.service") -> Namespace:
    return Namespace(number, "a.service", "unit", cgroup=cgroup)


def test_of_two_that_would_be_called_the_same_one_has_its_number_behind() -> None:
    assert names(unit(8), unit(7), unit(9)) == ["a.service 8", "a.service", "a.service 9"]


def test_who_is_nested_in_another_has_its_number_behind() -> None:
    assert names(unit(7, "/docker/1/a.service"), unit(8)) == ["a.service 7", "a.service"]


def test_who_had_the_name_before_keeps_it_until_it_is_gone() -> None:
    before = distinct([unit(8)], {})

    assert names(unit(7), unit(8), before=before) == ["a.service 7", "a.service"]
    after = distinct([unit(7), unit(8)], before)
    assert names(unit(7), unit(8), before=after) == ["a.service 7", "a.service"]
    assert names(unit(7), before=after) == ["a.service"]


@pytest.mark.parametrize("taken", ["other", ""])
def test_none_is_called_as_the_remainder_or_as_ours(taken: str) -> None:
    assert names(Namespace(7, taken, "named")) == [f"{taken} 7"]


def test_no_file_can_take_the_number_of_another_for_its_name() -> None:
    assert len(set(names(Namespace(7, "8", "named"), of_number(8), of_file(9, "8 7")))) == 3
