"""The archive with the single file and what goes beside it, installed by the commands of deploy/README.md."""

import re
from pathlib import Path

from tests.packages.machine import Machine

PAGE = Path(__file__).parent.parent.parent / "deploy/README.md"
DIST = "/srv/dist"
UNIT = "tcp-state-exporter.service"


def commands() -> list[str]:
    """Those below the heading, but for the one that makes the archive."""
    found = re.search(r"^### Tarball\n.*?^```sh\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"{PAGE}: no commands below Tarball"
    first, *others = found[1].splitlines()
    assert first == "make dist"
    return others


def installs_as_the_page_says(machine: Machine) -> str:
    for command in commands():
        machine.run("sh", "-c", f"cd {DIST}/.. && {command}")
    assert machine.unit(UNIT, "ActiveState") == ["active"]
    assert "tcpstate_up 1.0" in machine.get("http://127.0.0.1:10060/metrics")
    machine.run("systemctl", "disable", "--now", UNIT)
    return f"{len(commands())} commands"
