import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.decode import proc_pid


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
        (b"", ""),
        (b"no cgroup\n", ""),
    ],
)
def test_the_cgroup_is_the_one_that_says_most(content: bytes, expected: str) -> None:
    assert proc_pid.cgroup(content) == expected


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
