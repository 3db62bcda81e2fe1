import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.decode import proc_pid
from exporter.decode.proc_pid import Life

CONTAINER = "0123456789abcdef" * 4
POD = f"/kubepods/burstable/pod1/{CONTAINER}"


def test_a_name_ends_with_a_line_end_that_is_not_its_own() -> None:
    assert proc_pid.comm(b"nginx\n") == "nginx"
    assert proc_pid.comm(b"two\nlines\n\n") == "two\nlines\n"


def test_a_name_that_is_no_text_is_read_as_far_as_it_is() -> None:
    assert proc_pid.comm(b"x\xff\xfe\n") == "x\ufffd\ufffd"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"0::/system.slice/nginx.service\n", "/system.slice/nginx.service"),
        (b"0::/a:b\n", "/a:b"),
        (b"12:memory:/docker/0123\n1:name=systemd:/x\n0::/\n", "/docker/0123"),
        (b"12:memory:/docker/0123\n0::/unit\n", "/unit"),
        (b"3:cpu,cpuacct:/docker/0123\n", "/docker/0123"),
        (b"12:memory:/\n0::/\n", "/"),
        (b"0::/\xff\n", "/\ufffd"),
        (f"12:memory:/kubepods/burstable/pod1/{CONTAINER}\n0::/system.slice/containerd.service\n".encode(), POD),
        (f"1:name=systemd:/system.slice\n12:memory:{POD}\n0::/\n".encode(), POD),
        (b"12:memory:/\n1:name=systemd:/system.slice/nginx.service\n0::/system.slice\n", "/system.slice/nginx.service"),
        (b"12:memory:/docker/0123\n0::/init.scope\n", "/docker/0123"),
        (b"12:memory:/user.slice\n0::/system.slice/nginx.service\n", "/system.slice/nginx.service"),
        (b"1:name=systemd:/init.scope\n0::/\n", "/init.scope"),
        (b"4:memory:/sandbox/0123456789\n0::/web.service\n", "/web.service"),
        (b"", ""),
        (b"no cgroup\n", ""),
    ],
)
def test_the_cgroup_is_the_one_that_says_most(content: bytes, expected: str) -> None:
    assert proc_pid.cgroup(content) == expected


STAT = b"%s S 4710 4710 4710 0 -1 4194560 1 0 0 0 1 2 0 0 20 0 1 0 123456 10 20\n"


@pytest.mark.parametrize("start", [b"7 (nginx)", b"7 (a b)", b"7 (x) S 1 2 (y)", b"7 (\xff\n)", b"7 ())"])
def test_a_process_may_have_any_name_and_came_when_and_from_whom_it_says(start: bytes) -> None:
    assert proc_pid.life(STAT % start) == Life(is_dead=False, parent=4710, started=123456)


def is_dead(state: bytes) -> bool:
    return proc_pid.life(STAT.replace(b" S ", b" " + state + b" ") % b"7 (nginx)").is_dead


def test_a_process_that_nobody_has_waited_for_is_dead() -> None:
    assert [state for state in (b"R", b"S", b"D", b"T", b"t", b"Z", b"X", b"I") if is_dead(state)] == [b"Z", b"X"]


def test_processes_are_listed_by_number() -> None:
    assert proc_pid.pids(b"1\n0\n4711\n") == proc_pid.pids(b"1 0 4711 ") == [1, 0, 4711]
    assert proc_pid.pids(b"") == []


def test_a_pid_namespace_is_told_by_its_number() -> None:
    assert proc_pid.pid_namespace("pid:[4026531836]") == 4026531836
    assert proc_pid.pid_namespace("net:[4026531836]") is None


LIMITS = b"""\
Limit                     Soft Limit           Hard Limit           Units
Max cpu time              unlimited            unlimited            seconds
Max processes             63432                63432                processes
Max open files            1024                 524288               files
Max locked memory         8388608              8388608              bytes
"""


def test_the_limit_of_descriptors_is_the_soft_one() -> None:
    assert proc_pid.descriptor_limit(LIMITS) == 1024


@pytest.mark.parametrize(
    "content",
    [
        LIMITS.replace(b"1024  ", b"unlimited"),
        LIMITS.replace(b"1024", b"-1"),
        LIMITS.replace(b"1024", b"0x400"),
        LIMITS.replace(b"1024", "\u0661".encode()),
        LIMITS.replace(b"Max open files ", b"Max open folders"),
        LIMITS.replace(b"1024                 524288               files", b""),
        LIMITS.partition(b"Max open files")[0],
        b"",
    ],
    ids=["unlimited", "below 0", "hexadecimal", "other digits", "no such line", "nothing in it", "cut off", "empty"],
)
def test_without_a_number_there_is_no_limit_of_descriptors(content: bytes) -> None:
    assert proc_pid.descriptor_limit(content) is None


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_any_limit_of_descriptors_is_read(soft: int, hard: int) -> None:
    assert proc_pid.descriptor_limit(LIMITS.replace(b"1024", b"%d" % soft).replace(b"524288", b"%d" % hard)) == soft


@given(st.binary(max_size=40))
def test_any_bytes_behind_its_name_are_a_limit_of_descriptors_or_none(content: bytes) -> None:
    assert (proc_pid.descriptor_limit(b"Max open files" + content) or 0) >= 0


@given(st.binary(max_size=80))
def test_any_bytes_are_a_life_and_a_list_of_processes(content: bytes) -> None:
    assert proc_pid.life(content) is not None
    assert proc_pid.pids(content) is not None


def test_a_descriptor_of_a_socket_tells_its_inode() -> None:
    assert proc_pid.socket_inode("socket:[4711]") == 4711


@pytest.mark.parametrize(
    "target", ["pipe:[4711]", "anon_inode:[eventpoll]", "/tmp/socket:[4711]", "socket:[]", "socket:[", "socket:[x]"]
)
def test_any_other_descriptor_has_no_inode_of_a_socket(target: str) -> None:
    assert proc_pid.socket_inode(target) is None


@given(st.binary(max_size=80))
def test_any_bytes_are_a_name_and_a_cgroup(content: bytes) -> None:
    assert "\udcff" not in proc_pid.comm(content) + proc_pid.cgroup(content)


@given(st.integers(0, 2**64 - 1))
def test_any_inode_is_read(inode: int) -> None:
    assert proc_pid.socket_inode(f"socket:[{inode}]") == inode
