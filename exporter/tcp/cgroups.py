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

Who looks from a cgroup namespace sees the others' paths from there: /../../kubepods-pod<uid>.slice/crio-<64 hex>.scope.
systemd writes the hyphens of a pod's uid as underscores; the uid of a static pod is a hash without any.
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


UID = "[0-9a-f]{8}[-_]?(?:[0-9a-f]{4}[-_]?){3}[0-9a-f]{12}"
"""Of a pod, as a regular expression."""

_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_POD = re.compile(f"pod({UID})(?![0-9a-f])")
_NAMED_CONTAINER = re.compile(r"(?:/lxc\.payload\.|^/lxc/)([^/]+)|/machine-([^/]+)\.scope(?=/|$)")
_UNITS = re.compile(r"(?:^|/)(?!init\.scope(?:/|$))([^/]+\.(?:service|scope))(?=/|$)")
_ESCAPED = re.compile(r"\\x([0-9a-f]{2})")

_SHAPES = (
    (_ID, Says.CONTAINER),
    (_NAMED_CONTAINER, Says.CONTAINER),
    (re.compile(r"^(/\.\.)*/?$"), Says.NOTHING),  # ".." is above the root of a cgroup namespace
    (re.compile(r"(^|/)init\.scope$|\.socket$"), Says.LITTLE),
    (_POD, Says.POD),
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


def container_id(path: str) -> str:
    """All 64 digits of the innermost container; empty if the path names none."""
    found = _ID.findall(path)
    return found[-1] if found else ""


def container(path: str) -> str:
    """The innermost container's id, or the name of one that has no id; empty if the path names none."""
    found = _NAMED_CONTAINER.search(path)
    return container_id(path) or (_unescaped(found[1] or found[2]) if found else "")


def pod_uid(path: str) -> str:
    """Of the innermost pod, as the API writes it; empty if the path names none."""
    found = _POD.findall(path)
    return found[-1].replace("_", "-") if found else ""


def unit(path: str) -> str:
    """The innermost service or scope of systemd, though not that of a systemd itself; empty if there is none."""
    found = _UNITS.findall(path)
    return found[-1] if found else ""


def _unescaped(name: str) -> str:
    r"""As it was before systemd wrote what a unit may not be called as \x2d (systemd-escape(1))."""
    return _ESCAPED.sub(lambda escaped: chr(int(escaped[1], 16)), name)
