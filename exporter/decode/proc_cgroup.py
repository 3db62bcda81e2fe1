"""/proc/PID/cgroup (cgroups(7)): one line for each hierarchy that the process is in.

0::/system.slice/nginx.service                       version 2
1:name=systemd:/system.slice/nginx.service           version 1, without controllers
12:memory:/docker/0123...                            version 1
"""


def path(text: str) -> str:
    """The cgroup that says most about the process: of version 2 if it is not the root, else the longest; or empty."""
    lines = [line.split(":", 2) for line in text.splitlines()]
    paths = {hierarchy: found for hierarchy, _, found in (line for line in lines if len(line) == 3)}
    unified = paths.pop("0", "")
    return unified if len(unified) > 1 else max([unified, *paths.values()], key=len)
