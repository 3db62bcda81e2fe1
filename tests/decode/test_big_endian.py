"""The decoders on bytes of a big-endian machine: the tests of their room, and of the ports and columns they give."""

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
DEPENDENT = ["decode/test_inet_diag.py", "decode/test_netlink.py", "decode/test_proc_net_tcp.py"]
DEPENDENT += ["tcp/test_columns.py", "tcp/test_roles.py", "tcp/test_tally.py", "tcp/test_shared_ports.py"]


@pytest.mark.parametrize("module", DEPENDENT)
def test_all_holds_on_a_big_endian_machine_too(module: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.lab.big_endian", "-p", "no:cacheprovider"]
    done = subprocess.run([*command, TESTS / module], cwd=TESTS.parent, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
