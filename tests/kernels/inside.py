"""What a kernel gives, asked there: each source beside ss, and what ``ss -K`` ends. As a module: as JSON in FILE.

    python -m tests.kernels.inside FILE

Every kind of socket is made in namespaces of its own.
"""

import sys
import tempfile
from pathlib import Path

from exporter.decode import proc_status
from exporter.decode.proc_status import Capability
from tests.kernels import report, scenes
from tests.kernels.report import Daemon, Found, Report
from tests.kernels.scenes import SOCKETS
from tests.lab import netns
from tests.lab.daemon import Process, exporter
from tests.lab.recipes import EVERY, Scene
from tests.lab.witness import by_state, wait_for

_GRANTED = ("-all", "+bpf", "+perfmon")
_WITH_TWO_CAPABILITIES = (
    "setpriv",
    *(f"--{which}={','.join(_GRANTED)}" for which in ("bounding-set", "inh-caps", "ambient-caps")),
    "--securebits=+noroot,+noroot_locked",
)
"""Root in name, so that root's files can be read, with what counting in the kernel needs and nothing else."""

_PATIENCE_SECONDS = 120.0
"""An emulated core that has to share a real one takes 20 to start the daemon."""
_NAMES = {int(one): one.label for one in Capability}


def ask() -> Report:
    """Make all scenes, one after the other."""
    ways, ended = scenes.ways(), {}
    sources = {name: Found() for name in ways}
    for recipe, family in EVERY:
        print(".", end="", file=sys.stderr, flush=True)
        with netns.pair() as pair, recipe(pair, family, SOCKETS) as scene:
            for name, found in sources.items():
                if not found.refusal:
                    scenes.look(ways[name], scene, recipe, f"{recipe.__name__} {family}", found)
            if family == "4":
                ended[recipe.__name__] = _ends(scene)
    print(file=sys.stderr)
    return Report(sources, ended, _daemon())


def _ends(scene: Scene) -> bool:
    """Whether ``ss -K`` takes the sockets out of their state."""
    scene.place.run("ss", "-K", "-tanH")
    return by_state(scene.place)[scene.state] == 0


def _daemon() -> Daemon:
    """What one goes on with after two samples."""
    with (
        netns.namespace() as host,
        tempfile.TemporaryDirectory() as folder,
        exporter(host, Path(folder) / "log", within=_WITH_TWO_CAPABILITIES, ready=False) as running,
    ):
        wait_for(lambda: running.is_up("/-/ready"), "a daemon is ready", _PATIENCE_SECONDS)
        wait_for(lambda: running.value("tcpstate_samples_total") >= 2, "samples go on", _PATIENCE_SECONDS)
        (source,) = running.samples("tcpstate_source_info")
        return Daemon(source.labels["source"], _capabilities(running))


def _capabilities(running: Process) -> list[str]:
    """Of all its threads together."""
    bits = 0
    for status in Path(f"/proc/{running.popen.pid}/task").glob("*/status"):
        found = proc_status.privileges(status.read_text())
        bits |= found.permitted | found.effective | found.inheritable | found.ambient
    return [_NAMES.get(number, str(number)) for number in range(64) if bits >> number & 1]


if __name__ == "__main__":
    report.write(ask(), Path(sys.argv[1]))
