"""The unit and what may be dropped into it, as systemd itself judges them."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.lab.daemon import ROOT

SYSTEMD = ROOT / "deploy/systemd"
UNIT = "tcp-state-exporter.service"
TARGETS = "basic.target multi-user.target network-online.target shutdown.target sockets.target sysinit.target"

EXPOSURE = 1.5
WITH = {"names.conf": 2.0, "bpf.conf": 1.8, "socket.conf": EXPOSURE, "tls.conf": EXPOSURE + 0.1}
"""How exposed the service is at most with each of what may be dropped in."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A file system with the unit and the programs that it names."""
    units = tmp_path / "usr/lib/systemd/system"
    units.mkdir(parents=True)
    for file in (*SYSTEMD.glob("*.service"), *SYSTEMD.glob("*.socket")):
        (units / file.name).write_text(file.read_text())
    for target in TARGETS.split():
        (units / target).write_text(Path("/lib/systemd/system", target).read_text())
    for program in ("tcp-state-exporter", "sh"):
        file = tmp_path / "usr/bin" / program
        file.parent.mkdir(exist_ok=True)
        file.write_text("#!/bin/sh\n")
        file.chmod(0o755)
    return tmp_path


def drop_in(root: Path, name: str) -> None:
    folder = root / f"etc/systemd/system/{UNIT}.d"
    folder.mkdir(parents=True)
    (folder / name).write_text((SYSTEMD / name).read_text())


def analyzed(root: Path, *arguments: str) -> str:
    """What systemd-analyze says, and whether it finds fault."""
    command = ["systemd-analyze", f"--root={root}", "--no-pager", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def exposure(root: Path) -> float:
    found = re.search(r"exposure level for \S+: ([\d.]+)", analyzed(root, "security", "--offline=true", UNIT))
    assert found
    return float(found[1])


@pytest.mark.parametrize("name", ["", *WITH])
def test_systemd_finds_no_fault(root: Path, name: str) -> None:
    if name:
        drop_in(root, name)

    assert analyzed(root, "verify", "--man=no", UNIT, "tcp-state-exporter.socket") == ""


def test_a_fault_would_be_found(root: Path) -> None:
    drop_in(root, "names.conf")
    (root / f"etc/systemd/system/{UNIT}.d/names.conf").write_text("[Service]\nAmbientCapability=CAP_BPF\n")

    assert "'AmbientCapability' in section [Service], ignoring" in analyzed(root, "verify", "--man=no", UNIT)


def test_the_service_is_hardly_exposed(root: Path) -> None:
    assert exposure(root) <= EXPOSURE


@pytest.mark.parametrize("name", WITH)
def test_what_is_dropped_in_exposes_it_as_little_as_may_be(root: Path, name: str) -> None:
    drop_in(root, name)

    assert exposure(root) <= WITH[name]


def test_every_file_that_may_be_dropped_in_is_judged() -> None:
    assert {file.name for file in SYSTEMD.glob("*.conf")} == set(WITH)
