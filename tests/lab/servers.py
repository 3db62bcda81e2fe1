"""Servers that others have written: PostgreSQL and HAProxy, as processes in a namespace."""

import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.lab.netns import Namespace
from tests.lab.witness import wait_for

_POSTGRES_USER = ("setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups")
"""It refuses to run as root."""
_POSTGRES_SETTINGS = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off")

SECONDS = 30.0
"""At most, until a server is ready."""


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL on port 5432 of loopback, by the settings of a new installation."""

    host: Namespace

    def query(self, sql: str) -> str:
        """What it answers, without headings."""
        return self.host.run(*_psql("--command", sql)).strip()

    @contextmanager
    def client(self, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
        """A psql that is connected and idle, or does what the *arguments* say."""
        command = self.host.command(*_psql(*arguments))
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                yield process
            finally:
                process.kill()


def _program(name: str) -> str:
    """Of the newest version; Debian has only wrappers in the search path."""
    return str(max(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3])))


def _psql(*arguments: str) -> Sequence[str]:
    return (_program("psql"), "--host=127.0.0.1", "--username=postgres", "-AtqX", *arguments)


@contextmanager
def postgres(host: Namespace, within: Sequence[str] = ()) -> Iterator[Postgres]:
    """One that is ready, with an empty database."""
    with TemporaryDirectory(prefix="tse-postgres-") as folder:
        shutil.chown(folder, "postgres", "postgres")
        made = [_program("initdb"), "--no-sync", "--no-locale", "--auth=trust", f"--pgdata={folder}"]
        subprocess.run([*_POSTGRES_USER, *made], check=True, capture_output=True, cwd=folder)
        settings = [f"--{setting}" for setting in _POSTGRES_SETTINGS]
        command = [*within, *host.command(*_POSTGRES_USER, _program("postgres"), "-D", folder, *settings)]
        is_ready = host.command(_program("pg_isready"), "--quiet", "--host=127.0.0.1")
        with _server(command, Path(folder) / "log", is_ready, ended_by=signal.SIGQUIT):
            yield Postgres(host)


@contextmanager
def haproxy(host: Namespace, config: str, folder: Path, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """One with that *config*, which listens on *port*."""
    (folder / "haproxy.cfg").write_text(config)
    command = host.command("haproxy", "-db", "-f", str(folder / "haproxy.cfg"))
    listens = host.command("sh", "-c", f"ss -tlnH 'sport = :{port}' | grep -q .")
    with _server(command, folder / "haproxy.log", listens, ended_by=signal.SIGKILL) as process:
        yield process


@contextmanager
def _server(
    command: Sequence[str], log: Path, is_ready: Sequence[str], ended_by: signal.Signals
) -> Iterator["subprocess.Popen[bytes]"]:
    def ready() -> bool:
        assert process.poll() is None, f"ended: {log.read_text()}"
        return subprocess.run(is_ready, check=False).returncode == 0

    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output, cwd="/") as process:
        try:
            wait_for(ready, f"{command} is ready", SECONDS)
            yield process
        finally:
            process.send_signal(ended_by)
