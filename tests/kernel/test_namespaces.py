import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

import pytest

from exporter.kernel import namespaces, processes
from exporter.kernel.namespaces import KEPT_SECONDS, STALE_SECONDS, Namespaces
from exporter.tcp.namespaces import OURS, OWN, Namespace
from tests.lab import netns as lab
from tests.lab import pods
from tests.lab.cgroups import cgroup
from tests.lab.daemon import WITHOUT_CAPABILITIES
from tests.lab.witness import wait_for

ID, OTHER_ID = "0123456789abcdef" * 4, "f" * 64
UID = "01234567-89ab-cdef-0123-456789abcdef"
IN_POD = f"/kubepods/burstable/pod{UID}/{ID}"
LOGS = f"shop_web-0_{UID}"
INIT = 1


class Node:
    """A host that is made of files: each network namespace is one, and whatever leads to it is a link to that."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.proc, self.named, self.pods = (root / name for name in ("proc", "netns", "pods"))
        for folder in (self.proc / "self" / "ns", self.named, self.pods):
            folder.mkdir(parents=True)
        self.own = self.make("own")
        (self.proc / "self" / "ns" / "net").hardlink_to(root / "own")

    def make(self, name: str) -> int:
        """A namespace; its number."""
        (self.root / name).touch()
        return (self.root / name).stat().st_ino

    def enter(self, pid: int, name: str, cgroup: str = "/", started: int = 100) -> None:
        """A process in the namespace."""
        folder = self.proc / str(pid)
        (folder / "ns").mkdir(parents=True)
        (folder / "ns" / "net").hardlink_to(self.root / name)
        (folder / "comm").write_text("x\n")
        (folder / "cgroup").write_text(f"0::{cgroup}\n")
        (folder / "stat").write_text(f"{pid} (x) S 1 {'0 ' * 17}{started} 0 0\n")

    def end(self, pid: int) -> None:
        shutil.rmtree(self.proc / str(pid))

    def bind(self, file: str, name: str) -> None:
        (self.named / file).hardlink_to(self.root / name)

    def log(self, directory: str) -> None:
        (self.pods / directory).mkdir()

    def namespaces(self, ticks: Iterator[float] | None = None) -> Namespaces:
        """Each look at the clock is the next tick; without any a look takes no time."""
        return Namespaces(self.proc, self.named, self.pods, cpu=lambda: next(ticks) if ticks else 0.0)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def descriptors() -> int:
    """That this process has open."""
    return processes.descriptors(Path("/proc"), os.getpid())


def name(known: Namespaces, number: int, now: float = 0.0) -> str:
    return known.look([number], now)[number].name


def test_ours_needs_no_name_under_either_number(node: Node) -> None:
    node.enter(20, "own", IN_POD)

    assert node.namespaces().look([OWN, node.own], 0.0) == {OWN: OURS, node.own: OURS}


def test_a_namespace_that_nothing_leads_to_is_told_by_its_number(node: Node) -> None:
    assert node.namespaces().look([4711], 0.0) == {4711: Namespace(4711, "4711", "unknown")}


def test_a_pod_is_known_by_a_process_in_it_and_the_directory_of_its_logs(node: Node) -> None:
    number = node.make("web")
    node.enter(20, "web", IN_POD)
    node.log(LOGS)

    expected = Namespace(number, "shop/web-0", "pod", "shop", "web-0", ID, IN_POD, 20)
    assert node.namespaces().look([number], 0.0) == {number: expected}


def test_a_pod_is_preferred_to_whoever_is_there_besides_it_and_to_the_file_of_its_runtime(node: Node) -> None:
    number = node.make("web")
    node.bind("cni-01234567", "web")
    node.enter(19, "web", "/system.slice/sshd.service")
    node.enter(20, "web", IN_POD)
    node.log(LOGS)

    assert name(node.namespaces(), number) == "shop/web-0"


def test_all_containers_of_a_pod_are_in_one_namespace_which_is_told_by_the_oldest(node: Node) -> None:
    number = node.make("web")
    node.enter(20, "web", IN_POD.replace(ID, OTHER_ID), started=300)
    node.enter(21, "web", IN_POD, started=200)
    node.log(LOGS)

    assert node.namespaces().look([number], 0.0)[number].container == ID


@pytest.mark.parametrize(
    ("path", "file", "kind", "expected"),
    [
        (f"/system.slice/docker-{ID}.scope", "", "container", ID[:12]),
        (f"/system.slice/docker-{ID}.scope", "cni-1", "container", ID[:12]),
        (IN_POD, "", "container", ID[:12]),  # there are no logs of it
        ("/a.service", "blue", "named", "blue"),
        ("/system.slice/a.service", "", "unit", "a.service"),
        ("/../../system.slice/a.service", "", "unit", "a.service"),
    ],
)
def test_without_a_pod_there_is_a_container_or_a_file_or_a_unit(
    node: Node, path: str, file: str, kind: str, expected: str
) -> None:
    number = node.make("it")
    node.enter(20, "it", path)
    if file:
        node.bind(file, "it")

    found = node.namespaces().look([number], 0.0)[number]

    assert (found.kind, found.name) == (kind, expected)


def test_a_namespace_without_processes_is_known_by_its_file(node: Node) -> None:
    number = node.make("it")
    node.bind("blue", "it")

    assert node.namespaces().look([number], 0.0)[number] == Namespace(number, "blue", "named")


def test_the_namespace_of_the_first_process_is_the_hosts_whatever_pods_are_in_it(node: Node) -> None:
    number = node.make("host")
    node.enter(INIT, "host", "/init.scope", started=1)
    node.enter(20, "host", IN_POD)
    node.log(LOGS)

    assert name(node.namespaces(), number) == "host"


def test_within_a_pid_namespace_the_first_process_is_not_the_hosts(node: Node) -> None:
    (node.proc / "self" / "ns" / "pid").symlink_to("pid:[4026532999]")
    number = node.make("it")
    node.enter(INIT, "it", "/a.service")

    assert name(node.namespaces(), number) == "a.service"


def test_a_container_gets_the_name_of_its_pod_once_there_are_logs(node: Node) -> None:
    number = node.make("web")
    node.enter(20, "web", IN_POD)
    known = node.namespaces()
    assert name(known, number) == ID[:12]

    node.log(LOGS)

    assert name(known, number, STALE_SECONDS - 1) == ID[:12]
    assert name(known, number, STALE_SECONDS) == "shop/web-0"


def test_a_name_stays_while_the_number_is_asked_for_though_all_that_led_to_it_is_gone(node: Node) -> None:
    number = node.make("web")
    node.enter(20, "web", IN_POD)
    node.log(LOGS)
    known = node.namespaces()
    assert known.look([number], 0.0)[number].pid == 20

    node.end(20)
    (node.pods / LOGS).rmdir()

    for now in (1.0, STALE_SECONDS, 5 * KEPT_SECONDS, 5 * KEPT_SECONDS + STALE_SECONDS):
        assert known.look([number], now)[number]._replace(cgroup="", container="") == Namespace(
            number, "shop/web-0", "pod", "shop", "web-0"
        )


def test_a_name_that_is_not_asked_for_is_forgotten_after_a_while(node: Node) -> None:
    number = node.make("web")
    node.enter(20, "web", "/a.service")
    known = node.namespaces()
    assert name(known, number) == "a.service"
    node.end(20)

    known.look([], KEPT_SECONDS)

    assert name(known, number, KEPT_SECONDS) == str(number)
    assert len(known._called) == len(known._asked) == 1


def test_when_the_process_has_ended_the_next_is_told_and_the_name_is_the_same(node: Node) -> None:
    number = node.make("pod of podman")
    node.enter(20, "pod of podman", f"/machine.slice/libpod-{ID}.scope")
    node.enter(21, "pod of podman", f"/machine.slice/libpod-{OTHER_ID}.scope")
    known = node.namespaces()
    assert known.look([number], 0.0)[number].pid == 20

    node.end(20)

    found = known.look([number], 1.0)[number]
    assert (found.name, found.pid) == (ID[:12], 21)


def test_a_new_namespace_that_has_the_number_of_one_that_is_gone_does_not_have_its_name(node: Node) -> None:
    """The kernel gives a number away again at once."""
    number = node.make("it")
    node.enter(20, "it", f"/docker/{ID}")
    known = node.namespaces()
    assert name(known, number) == ID[:12]

    node.end(20)
    node.enter(21, "it", f"/docker/{OTHER_ID}")

    assert name(known, number, 1.0) == OTHER_ID[:12]


def test_two_of_one_unit_are_told_apart_by_their_numbers_and_stay_so(node: Node) -> None:
    first, second = sorted(node.make(name) for name in ("a", "b"))
    node.enter(20, "a", "/a.service")
    node.enter(21, "b", "/a.service")
    known = node.namespaces()

    both = {first: "a.service", second: f"a.service {second}"}
    for now in (0.0, STALE_SECONDS, 2 * STALE_SECONDS):
        assert {number: one.name for number, one in known.look([second, first], now).items()} == both


def test_who_is_asked_later_does_not_take_the_name_away(node: Node) -> None:
    first, second = sorted(node.make(name) for name in ("a", "b"))
    node.enter(20, "a", "/a.service")
    node.enter(21, "b", "/a.service")
    known = node.namespaces()
    assert name(known, second) == "a.service"

    assert name(known, first, 1.0) == f"a.service {first}"
    assert name(known, second, 2.0) == "a.service"


def test_while_all_are_known_and_alive_nobody_looks_again(node: Node) -> None:
    number = node.make("it")
    node.enter(20, "it", "/a.service")
    ticks = iter([0.0, 0.0, 0.0])  # that a look takes
    known = node.namespaces(ticks)
    known.look([number], 0.0)
    assert list(ticks) == []

    assert name(known, number, STALE_SECONDS - 1) == "a.service"


def test_looks_take_a_small_share_of_the_time(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look that took two seconds is followed by another after minutes."""
    monkeypatch.setattr(namespaces, "_LONGEST_SECONDS", 10.0)
    first, second = node.make("a"), node.make("b")
    node.enter(20, "a", "/a.service")
    node.enter(21, "b", "/b.service")
    known = node.namespaces(iter(count()))
    known.look([first], 0.0)

    assert name(known, second, 399.0) == str(second)
    assert name(known, second, 400.0) == "b.service"


def test_a_look_that_takes_too_long_is_gone_on_with_in_the_next(node: Node) -> None:
    numbers = [node.make(f"{number}") for number in range(3)]
    for number in range(3):
        node.enter(20 + number, f"{number}", f"/{number}.service")
    known = node.namespaces(iter([0.0, 0.0, 0.2, 0.2, *[1.0] * 5]))

    def named(now: float) -> int:
        return sum(one.kind == "unit" for one in known.look(numbers, now).values())

    assert [named(0.0), named(39.0), named(41.0)] == [1, 1, 3]


def test_those_without_a_name_come_first(node: Node) -> None:
    numbers = sorted(node.make(f"{number}") for number in range(3))
    for number in range(3):
        node.enter(20 + number, f"{number}", f"/{number}.service")
    known = node.namespaces(iter([0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.2, 1.2]))
    known.look(numbers[:2], 0.0)

    assert known.look(numbers, STALE_SECONDS)[numbers[2]].kind == "unit"


def test_of_a_pod_that_is_there_nobody_reads_again(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    number = node.make("web")
    node.enter(20, "web", IN_POD)
    node.log(LOGS)
    known = node.namespaces()
    assert name(known, number) == "shop/web-0"

    monkeypatch.delattr(processes, "process")

    assert name(known, number, STALE_SECONDS) == "shop/web-0"


def test_of_a_namespace_with_many_processes_some_are_asked(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespaces, "EACH", 2)
    number = node.make("it")
    for pid in (20, 21):
        node.enter(pid, "it")
    node.enter(22, "it", IN_POD)

    assert name(node.namespaces(), number) == str(number)


def test_so_many_namespaces_are_named_and_no_more_and_always_the_same(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(namespaces, "MOST", 2)
    numbers = [node.make(f"{number}") for number in range(4)]
    for number in range(4):
        node.enter(20 + number, f"{number}", f"/{number}.service")
    known = node.namespaces()

    def named(now: float) -> set[int]:
        return {number for number, one in known.look(numbers, now).items() if one.kind == "unit"}

    first = named(0.0)
    assert len(first) == 2
    assert named(STALE_SECONDS) == named(2 * STALE_SECONDS) == first
    assert len(known._asked) == len(known._called) == 2


def test_members_may_be_given_by_who_knows_better(node: Node) -> None:
    number = node.make("it")
    node.enter(20, "it", "/a.service")
    given: Mapping[int, Sequence[int]] = {4711: [20]}
    known = Namespaces(node.proc, node.named, node.pods, lambda: given)

    assert {of: one.name for of, one in known.look([4711, number], 0.0).items()} == {
        4711: "a.service",
        number: str(number),
    }


def test_where_members_cannot_be_asked_names_stay(node: Node) -> None:
    def failing() -> Mapping[int, Sequence[int]]:
        if failing_since:
            raise OSError
        return {4711: [20]}

    failing_since: list[float] = []
    node.make("it")
    node.enter(20, "it", "/a.service")
    known = Namespaces(node.proc, node.named, node.pods, failing)
    known.look([4711], 0.0)

    failing_since.append(1.0)

    assert known.look([4711, 4712], STALE_SECONDS)[4711].name == "a.service"


def test_without_proc_all_are_told_by_their_numbers(tmp_path: Path) -> None:
    known = Namespaces(tmp_path, tmp_path / "netns", tmp_path / "pods")

    assert known.look([OWN, 7], 0.0) == {OWN: OURS, 7: Namespace(7, "7", "unknown")}
    assert set(known.found(1000.0)) == set()


def test_all_are_found_but_ours_and_have_their_names_at_once(node: Node) -> None:
    by_process, by_file = node.make("a"), node.make("b")
    node.enter(20, "a", "/a.service")
    node.enter(21, "own")
    node.bind("blue", "b")
    known = node.namespaces(iter([0.0, 0.0, 0.0, 0.01]))

    numbers = known.found(0.0)

    assert set(numbers) == {by_process, by_file}
    assert {one.name for one in known.look(numbers, 0.0).values()} == {"a.service", "blue"}


def test_a_namespace_is_opened_through_a_process_or_its_file(node: Node) -> None:
    by_process, by_file = node.make("a"), node.make("b")
    node.enter(20, "a")
    node.bind("blue", "b")
    known = node.namespaces()
    known.found(0.0)

    for number in (by_process, by_file):
        descriptor = known.open(number)
        assert os.fstat(descriptor).st_ino == number
        os.close(descriptor)


def test_what_leads_to_another_namespace_by_now_is_not_opened(node: Node) -> None:
    first, _ = node.make("a"), node.make("b")
    node.enter(20, "a")
    node.bind("blue", "a")
    known = node.namespaces()
    known.found(0.0)
    node.end(20)
    node.enter(20, "b")
    (node.named / "blue").unlink()
    node.bind("blue", "b")
    before = descriptors()

    with pytest.raises(OSError, match=f"leads to network namespace {first}"):
        known.open(first)

    assert descriptors() == before


def test_a_namespace_that_was_never_found_is_not_opened(node: Node) -> None:
    with pytest.raises(OSError, match="leads to network namespace 4711"):
        node.namespaces().open(4711)


@contextmanager
def unshared() -> Iterator[int]:
    """The number of a process in a namespace that has no name."""
    with subprocess.Popen(["unshare", "--net", "sh", "-c", "echo && exec sleep 60"], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            assert process.stdout.readline()
            yield process.pid
        finally:
            process.kill()


def number_of(pid: int) -> int:
    return Path(f"/proc/{pid}/ns/net").stat().st_ino


@pytest.mark.kernel
def test_a_namespace_that_ip_has_made_has_its_name(host: lab.Namespace) -> None:
    number = Path("/run/netns", host.name).stat().st_ino
    known = Namespaces()

    assert known.look([number], 0.0)[number] == Namespace(number, host.name, "named")
    assert number in known.found(1000.0)


@pytest.mark.kernel
def test_a_process_that_has_made_one_for_itself_gives_it_the_name_of_its_cgroup() -> None:
    with unshared() as pid:
        number = number_of(pid)
        known = Namespaces()

        found = known.look([number], 0.0)[number]

        assert found.pid == pid
        assert found.cgroup != ""
        assert number in known.found(1000.0)


@pytest.mark.kernel
def test_one_that_was_opened_can_be_entered(host: lab.Namespace) -> None:
    with unshared() as pid:
        known = Namespaces()
        known.found(0.0)
        for number in (number_of(pid), Path("/run/netns", host.name).stat().st_ino):
            descriptor = known.open(number)
            entered = subprocess.run(
                ["nsenter", f"--net=/proc/self/fd/{descriptor}", "stat", "-Lc", "%i", "/proc/self/ns/net"],
                pass_fds=[descriptor],
                capture_output=True,
                text=True,
                check=True,
            )
            os.close(descriptor)
            assert int(entered.stdout) == number


@pytest.mark.kernel
def test_the_pods_of_a_node_are_known_by_their_names() -> None:
    with pods.node() as node:
        known = Namespaces(pods=node.logs)
        by_name = {one.name: one for one in known.look(known.found(0.0), 0.0).values()}

        for pod in node.pods:
            found = by_name[pod.netns]
            assert (found.kind, found.namespace, found.pod) == ("pod", pod.namespace, pod.name)
            assert found.number == number_of(pod.pause)
            assert found.pid == pod.pause
            assert pod.uid.replace("-", "_") in found.cgroup or pod.uid in found.cgroup


@pytest.mark.kernel
def test_who_sees_the_cgroups_from_within_one_knows_the_pods_as_well() -> None:
    """As an exporter in a container with a cgroup namespace of its own."""
    asks = (
        "import sys; from pathlib import Path; from exporter.kernel.namespaces import Namespaces;"
        "known = Namespaces(pods=Path(sys.argv[1]));"
        "print(*sorted(one.name + one.cgroup[:3] for one in known.look(known.found(0.0), 0.0).values()), sep='\\n')"
    )
    with pods.node() as node, cgroup(f"tse-{os.getpid()}") as ours:
        command = [*ours.within(), "unshare", "--cgroup", sys.executable, "-c", asks, str(node.logs)]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()

    assert {f"{pod.netns}/.." for pod in node.pods} <= set(said)


@pytest.mark.kernel
def test_namespaces_that_come_and_go_leave_no_descriptor_and_no_name() -> None:
    known, before = Namespaces(), descriptors()
    for now in range(5):
        with ExitStack() as stack:
            numbers = {number_of(stack.enter_context(unshared())) for _ in range(5)}
            found = known.look(numbers, 1000.0 * now)
            assert {one.pid > 0 for one in found.values()} == {True}
            assert known._called.keys() == numbers

    assert descriptors() == before


@pytest.mark.kernel
def test_without_privileges_the_files_are_known_and_foreign_processes_are_not(host: lab.Namespace) -> None:
    asks = (
        "import sys; from exporter.kernel.namespaces import Namespaces; known = Namespaces();"
        "print(*(one.name for one in known.look([int(word) for word in sys.argv[1:]], 0.0).values()))"
    )
    with unshared() as pid:
        numbers = [Path("/run/netns", host.name).stat().st_ino, number_of(pid)]
        command = [*WITHOUT_CAPABILITIES, sys.executable, "-c", asks, *map(str, numbers)]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert said.split() == [host.name, str(numbers[1])]


@pytest.mark.kernel
def test_without_privileges_pods_are_known_to_who_is_told_which_processes_are_where() -> None:
    asks = (
        "import sys; from pathlib import Path; from exporter.kernel.namespaces import Namespaces;"
        "pids = [int(word) for word in sys.argv[2:]];"
        "known = Namespaces(pods=Path(sys.argv[1]), members=lambda: {pid: [pid] for pid in pids});"
        "print(*(one.name for one in known.look(pids, 0.0).values()))"
    )
    with pods.node() as node:
        pids = [str(pod.pause) for pod in node.pods]
        command = [*WITHOUT_CAPABILITIES, sys.executable, "-c", asks, str(node.logs), *pids]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert said.split() == [pod.netns for pod in node.pods]


@pytest.mark.kernel
def test_a_process_that_has_ended_is_missed_at_the_next_look() -> None:
    with unshared() as pid:
        number = number_of(pid)
        known = Namespaces()
        assert known.look([number], 0.0)[number].pid == pid

    wait_for(lambda: not Path(f"/proc/{pid}").exists(), "it has ended")
    assert known.look([number], 1000.0)[number].pid == 0
