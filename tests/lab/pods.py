"""A node of Kubernetes, as far as the kernel and the file system show one: nothing of Kubernetes runs.

Each pod has a network namespace that its containers share, a cgroup for each container in the shape of one of the two
drivers that a kubelet knows, a sandbox container that only sleeps (pause), and a directory for its logs.
"""

import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.lab import netns
from tests.lab.cgroups import Cgroup, cgroup
from tests.lab.netns import Namespace

_WITH_LOGS = """
set -e
mount -t tmpfs none /var/log
mkdir /var/log/pods
mount --bind "$0" /var/log/pods
exec "$@"
"""


@dataclass(frozen=True)
class Pod:
    """A pod with one container besides its sandbox."""

    namespace: str
    name: str
    uid: str
    container: str
    """The id, of 64 digits."""
    cgroup: Cgroup
    """Of the container."""
    network: Namespace
    pause: int
    """The process of the sandbox, in a cgroup of its own below that of the pod."""

    @property
    def netns(self) -> str:
        """The label of its sockets."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Node:
    """Two pods."""

    logs: Path
    """What /var/log/pods is on a real node."""
    pods: Sequence[Pod]

    def within(self) -> Sequence[str]:
        """The beginning of a command line that runs its rest where /var/log/pods is that of this node.

        Mounts that come later, as that of another file in /run/netns, are seen there as well.
        """
        return ("unshare", "--mount", "--propagation", "slave", "sh", "-c", _WITH_LOGS, str(self.logs))


@contextmanager
def node() -> Iterator[Node]:
    """With a pod ``shop/web-0`` as the systemd driver makes it, and ``kube-system/etcd-node`` as cgroupfs does.

    The latter is a static pod. Their cgroups are in one of their own, so that two nodes can be on a host.
    """
    with ExitStack() as stack:
        logs = Path(stack.enter_context(TemporaryDirectory(prefix="tse-pods-")))
        logs.chmod(0o755)  # as a kubelet makes it
        top = f"tse-{uuid.uuid4().hex[:10]}"
        by_systemd = ("kubepods.slice", "kubepods-burstable.slice", "kubepods-burstable-pod{uid_}.slice")
        web = _pod(logs, "shop", "web-0", str(uuid.uuid4()), (top, *by_systemd, "cri-containerd-{id}.scope"))
        etcd = _pod(logs, "kube-system", "etcd-node", uuid.uuid4().hex, (top, "kubepods", "pod{uid}", "{id}"))
        stack.enter_context(cgroup(top))
        yield Node(logs, [stack.enter_context(web), stack.enter_context(etcd)])


@contextmanager
def _pod(logs: Path, namespace: str, name: str, uid: str, shape: Sequence[str]) -> Iterator[Pod]:
    """The *shape* is that of the path of a container's cgroup, part by part."""
    top, *parts, last = [part.replace("{uid}", uid).replace("{uid_}", uid.replace("-", "_")) for part in shape]
    container, sandbox = (uuid.uuid4().hex + uuid.uuid4().hex for _ in range(2))
    with ExitStack() as stack:
        (logs / f"{namespace}_{name}_{uid}").mkdir()
        for depth in range(len(parts)):
            stack.enter_context(cgroup("/".join([top, *parts[: depth + 1]])))
        network = stack.enter_context(netns.namespace())
        in_sandbox = stack.enter_context(cgroup("/".join([top, *parts, last.replace("{id}", sandbox)])))
        made = stack.enter_context(cgroup("/".join([top, *parts, last.replace("{id}", container)])))
        pause = stack.enter_context(_sleeping(network, in_sandbox))
        yield Pod(namespace, name, uid, container, made, network, pause)


@contextmanager
def _sleeping(network: Namespace, in_cgroup: Cgroup) -> Iterator[int]:
    """The number of a process that does nothing there."""
    command = ("sh", "-c", "echo && exec sleep infinity")
    with subprocess.Popen([*in_cgroup.within(), *network.command(*command)], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            assert process.stdout.readline(), "it did not start"
            yield process.pid
        finally:
            process.kill()
