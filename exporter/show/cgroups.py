"""What the path of a cgroup says to a person."""

import re

from exporter.tcp.cgroups import container_id

_LONG_NUMBER = re.compile(r"([0-9a-f]{12})[0-9a-f]{20,}")


def short_cgroup(path: str) -> str:
    """The last part of the path, and the container that it is in; of long numbers the first 12 digits."""
    last, container = path.rpartition("/")[2], container_id(path)
    name = _LONG_NUMBER.sub(r"\1", last)
    return name if container in last else f"{name} in {container[:12]}"
