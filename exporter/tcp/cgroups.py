"""How much the path of a cgroup says about whose a process is.

    path                                                                says
    /system.slice/docker-<64 hex>.scope, /docker/<64 hex>,              container
      .../cri-containerd-<64 hex>.scope, .../crio-<64 hex>.scope,
      /kubepods/.../pod<uid>/<64 hex>, /machine.slice/libpod-<64 hex>.scope,
      /lxc.payload.<name>, /machine.slice/machine-<name>.scope
    /kubepods.slice/.../kubepods-burstable-pod<uid>.slice               pod
    /system.slice/nginx.service, .../session-3.scope, and below         unit
    /web, /system.slice/web                                             name: somebody has given it
    /system.slice                                                       slice
    /init.scope, .../gunicorn.socket                                    little: systemd makes sockets there for others
    /                                                                   nothing

Sockets for socket activation are made by systemd, in the cgroup of its own (init.scope) or of the .socket unit, and
passed to the service. On hybrid hosts containers may be in the hierarchies of version 1 only: version 2 then says
containerd.service for all of them, or nothing.
"""

import re
from collections.abc import Iterable
from enum import IntEnum


class Says(IntEnum):
    """What a path tells; a greater one tells more."""

    NOTHING = 0
    LITTLE = 1
    SLICE = 2
    NAME = 3
    UNIT = 4
    POD = 5
    CONTAINER = 6


_UID = "[0-9a-f]{8}[-_]?([0-9a-f]{4}[-_]?){3}[0-9a-f]{12}"

_SHAPES = (
    (re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])"), Says.CONTAINER),
    (re.compile(r"/lxc\.payload\.[^/]|^/lxc/[^/]|/machine-[^/]+\.scope(/|$)"), Says.CONTAINER),
    (re.compile(r"^(/\.\.)*/?$"), Says.NOTHING),  # ".." is above the root of a cgroup namespace
    (re.compile(r"(^|/)init\.scope$|\.socket$"), Says.LITTLE),
    (re.compile(f"pod{_UID}"), Says.POD),
    (re.compile(r"\.(service|scope)(/|$)"), Says.UNIT),
    (re.compile(r"\.slice$"), Says.SLICE),
)
"""The first that is found in a path counts."""


def says(path: str) -> Says:
    """What the path tells; any other than these shapes is a NAME."""
    return next((meaning for shape, meaning in _SHAPES if shape.search(path)), Says.NAME)


def telling(paths: Iterable[str]) -> str:
    """The first of the *paths* that say most; empty if there is none."""
    return max(filter(None, paths), key=says, default="")


def is_manager(path: str) -> bool:
    """Whether systemd itself runs there, which keeps a copy of each socket that it makes for others."""
    return path.endswith("/init.scope")
