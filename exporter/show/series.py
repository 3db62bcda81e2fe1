"""What series are called, and what those of a row or of a network namespace are labelled with."""

from exporter.tcp.sockets import Row

PREFIX = "tcpstate_"


def of_row(row: Row) -> dict[str, str]:
    """The labels of a service's series."""
    return {**of_namespace(row.netns), "port": row.port, "role": row.role}


def of_port(row: Row) -> dict[str, str]:
    """Of what only servers have, so that the role goes without saying."""
    return {**of_namespace(row.netns), "port": row.port}


def of_namespace(name: str) -> dict[str, str]:
    """The exporter's own namespace has no label: on most hosts there is no other."""
    return {"netns": name} if name else {}
