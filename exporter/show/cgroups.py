"""What the path of a cgroup says: to a person, and to a script that looks for the container."""

import re

_CONTAINER = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_LONG_NUMBER = re.compile(r"([0-9a-f]{12})[0-9a-f]{20,}")


def container_id(path: str) -> str:
    """All 64 digits of the innermost container; empty if the path names none."""
    found = _CONTAINER.findall(path)
    return found[-1] if found else ""


def short_cgroup(path: str) -> str:
    """The last part of the path, and the container that it is in; of long numbers the first 12 digits."""
    last, container = path.rpartition("/")[2], container_id(path)
    name = _LONG_NUMBER.sub(r"\1", last)
    return name if container in last else f"{name} in {container[:12]}"
