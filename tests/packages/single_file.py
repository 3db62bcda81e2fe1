"""The single file, on a machine that has Python and nothing else of what it needs."""

import json
import time
from collections.abc import Sequence

from tests.packages.archive import DIST
from tests.packages.machine import Machine

FILE = "/opt/single"
PORT = 10061

PRIVILEGES = "--property=AmbientCapabilities=CAP_BPF CAP_PERFMON"
EVERY_NAMESPACE = "/opt/config.yaml"


def counts_inside_the_kernel(machine: Machine, command: Sequence[str]) -> None:
    """By programs that lie in the file too."""
    machine.write(EVERY_NAMESPACE, "namespaces: all\n")
    flags = (f"--config.file={EVERY_NAMESPACE}", f"--web.listen-address=127.0.0.1:{PORT}")
    machine.run("systemd-run", "--unit=single-bpf", *command, PRIVILEGES, FILE, *flags)
    assert 'tcpstate_source_info{source="bpf"} 1.0' in machine.get(f"http://127.0.0.1:{PORT}/metrics")
    machine.run("systemctl", "stop", "single-bpf")


def runs(machine: Machine) -> str:
    """As nobody, who may write nowhere."""
    machine.run("apt-get", "install", "--yes", "--no-install-recommends", "python3")
    [packed] = (machine.root / DIST.lstrip("/")).glob("*.pyz")
    machine.run("install", "-m", "755", f"{DIST}/{packed.name}", FILE)
    for name in ("tornado", "prometheus_client", "yaml", "psutil"):
        machine.fails("python3", "-c", f"import {name}")
    begun = time.monotonic()
    sampled = json.loads(machine.run("setpriv", "--reuid=nobody", "--clear-groups", FILE, "--once=json"))
    once = time.monotonic() - begun
    assert sampled

    begun = time.monotonic()
    command = ("--uid=nobody", "--property=Type=notify", "--property=ProtectSystem=strict")
    machine.run("systemd-run", "--unit=single", *command, FILE, f"--web.listen-address=127.0.0.1:{PORT}")
    ready = time.monotonic() - begun
    assert "tcpstate_up 1.0" in machine.get(f"http://127.0.0.1:{PORT}/metrics")
    assert "stuck" in machine.get(f"http://127.0.0.1:{PORT}/")
    machine.run("systemctl", "stop", "single")
    counts_inside_the_kernel(machine, command)
    size = (machine.root / FILE[1:]).stat().st_size
    return f"{size / 1e6:.2f} MB, a sample in {once:.1f} s, ready in {ready:.1f} s"
