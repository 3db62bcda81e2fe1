"""Images and containers, by podman(1), on a base that is made of Debian's packages; all is gone after the test."""

import http.client
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab.daemon import ROOT
from tests.lab.netns import Namespace

BASE = "localhost/debian-python"
IMAGE = "localhost/tcp-state-exporter"
SUITE = "trixie"
_PACKAGES = ("base-files", "dash", "coreutils", "python3", "python3-venv")

# A container may ask for no more than the tests have; where there is no systemd, nobody else makes cgroups.
_CONFIGURATION = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
cgroup_manager = "cgroupfs"
runtime = "runc"
"""

_TRUST = "/etc/ssl/certs"
"""What the machine trusts: who reaches the package index through a proxy of their own knows it by that."""


@dataclass(frozen=True)
class Engine:
    """A podman with a store of its own."""

    folder: Path

    @property
    def command(self) -> Sequence[str]:
        return ("podman", f"--root={self.folder / 'store'}", f"--runroot={self.folder / 'run'}")

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "CONTAINERS_CONF": str(self.folder / "containers.conf")}

    def run(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """What podman answers to *arguments*."""
        done = subprocess.run(
            [*self.command, *arguments], env=self.environment, capture_output=True, text=True, check=False
        )
        assert not (check and done.returncode), f"{' '.join(arguments)}: {done.stderr}"
        return done

    def size(self, image: str) -> int:
        """In bytes."""
        return int(self.run("image", "inspect", "--format={{.Size}}", image).stdout)


@dataclass(frozen=True)
class Container:
    """One that runs."""

    engine: Engine
    name: str

    @property
    def pid(self) -> int:
        """Of its first process, as the host sees it."""
        return int(self._inspected("{{.State.Pid}}"))

    def is_healthy(self) -> tuple[bool, str]:
        """By the image's own health check, and what that says."""
        test = self.engine.run("image", "inspect", '--format={{join .HealthCheck.Test "\\n"}}', IMAGE).stdout
        done = self.engine.run("exec", self.name, *test.splitlines()[1:], check=False)
        return done.returncode == 0, done.stdout.strip()

    def logs(self) -> str:
        done = self.engine.run("logs", self.name)
        return done.stdout + done.stderr

    def stop(self) -> int:
        """The exit code after SIGTERM."""
        self.engine.run("stop", "--time=5", self.name)
        return int(self._inspected("{{.State.ExitCode}}"))

    def _inspected(self, what: str) -> str:
        return self.engine.run("container", "inspect", f"--format={what}", self.name).stdout


@contextmanager
def engine(folder: Path) -> Iterator[Engine]:
    """With Debian's Python as BASE, and the image that ``make image`` makes on it as IMAGE."""
    (folder / "containers.conf").write_text(_CONFIGURATION)
    made = Engine(folder)
    try:
        _make_base(made)
        yield made
    finally:
        made.run("rm", "--all", "--force", check=False)
        made.run("rmi", "--all", "--force", check=False)


def _make_base(made: Engine) -> None:
    """What stands for python:slim, which no registry is needed for: packages that are unpacked, and not even set up."""
    archive = made.folder / "base.tar"
    wanted = ["--quiet", "--variant=extract", f"--include={','.join(_PACKAGES)}"]
    subprocess.run(["mmdebstrap", *wanted, SUITE, archive], check=True)
    made.run("import", str(archive), BASE)
    archive.unlink()


def build(made: Engine) -> None:
    """As the Makefile does it."""
    arguments = f"--format=docker --network=host --volume={_TRUST}:{_TRUST}:ro --build-arg=BASE={BASE}"
    command = ["make", "image", f"ENGINE={' '.join(made.command)}", f"ARGS={arguments}"]
    done = subprocess.run(command, cwd=ROOT, env=made.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def container(made: Engine, place: Namespace, *options: str, flags: Sequence[str] = ()) -> Iterator[Container]:
    """IMAGE in the network of *place*, as if that were the host's."""
    network = f"--network=ns:/run/netns/{place.name}"
    started = made.run("run", "--detach", "--no-healthcheck", network, *options, IMAGE, *flags).stdout.strip()
    try:
        yield Container(made, started)
    finally:
        made.run("rm", "--force", "--time=2", started, check=False)


def status(running: Container) -> dict[str, str]:
    """What the kernel says of the exporter's process."""
    lines = Path(f"/proc/{running.pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def metrics(host: Namespace) -> str:
    """What is served in the network of *host*."""
    with closing(http.client.HTTPConnection("127.0.0.1", 10060, timeout=10)) as client:
        with host.entered():
            client.connect()
        client.request("GET", "/metrics")
        return client.getresponse().read().decode()
