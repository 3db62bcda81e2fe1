"""The health check of the image: asks the exporter of this container, by its own flags, whether it samples.

Where it listens and whether it speaks TLS is told by its command line. With the host's PID namespace it is not
process 1, so it is looked for among the processes of this container, which are those of the same cgroup.
"""

import http.client
import ssl
import sys
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from pathlib import Path

from exporter.errors import ConfigError
from exporter.settings import flags, web_config
from exporter.settings.flags import NAME, Flags

SECONDS = 3.0
"""How long the answer may take."""
_OWN = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing is bound here
"""Where to ask who listens on all addresses."""
_ANSWERS = {HTTPStatus.OK, HTTPStatus.UNAUTHORIZED}
"""Whoever wants to know a user first answers, and more cannot be asked of it."""


def main(proc: Path = Path("/proc")) -> int:
    """The exit code that a HEALTHCHECK has: 0 or 1, after a line that says why."""
    try:
        arguments = next(command_lines(proc))
        why = fault(flags.parse(arguments))
    except StopIteration:
        why = f"no {NAME} runs in this container"
    except ConfigError as error:
        why = str(error)
    sys.stdout.write(f"{why or 'healthy'}\n")
    return 1 if why else 0


def command_lines(proc: Path) -> Iterator[Sequence[str]]:
    """The arguments of each exporter of this container."""
    own = (proc / "self/cgroup").read_text()
    for folder in proc.glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_text(errors="surrogateescape").split("\0")[:-1]
            is_here = (folder / "cgroup").read_text() == own
        except OSError:  # it has ended meanwhile
            continue
        at = next((at for at, word in enumerate(words[:2]) if Path(word).name == NAME), None)
        if is_here and at is not None:
            yield words[at + 1 :]


def fault(found: Flags) -> str:
    """What is wrong with an exporter that has these flags; empty if nothing is. Raises ConfigError."""
    host, _, port = found.listen_addresses[0].rpartition(":")
    has_tls = web_config.named(found.web_config_file).tls is not None
    try:
        status = ask(_OWN.get(host.strip("[]"), host.strip("[]")), int(port), has_tls=has_tls)
    except ssl.SSLError:
        return ""  # it answers, and asks for a client's certificate, which there is none of here
    except (OSError, http.client.HTTPException) as error:
        return f"no answer from {found.listen_addresses[0]}: {error}"
    return "" if status in _ANSWERS else f"/-/healthy answers {status}"


def ask(host: str, port: int, *, has_tls: bool) -> int:
    """The status of ``/-/healthy``. Raises OSError and HTTPException."""
    if has_tls:
        # Nothing is told to who answers, and the certificate need not be for this name.
        trusting = ssl._create_unverified_context()  # noqa: S323, SLF001
        asking: http.client.HTTPConnection = http.client.HTTPSConnection(host, port, timeout=SECONDS, context=trusting)
    else:
        asking = http.client.HTTPConnection(host, port, timeout=SECONDS)
    asking.request("GET", "/-/healthy")
    return asking.getresponse().status


if __name__ == "__main__":
    sys.exit(main())
