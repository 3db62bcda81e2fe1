"""Counts a host's TCP sockets by state, role and port, and serves them to Prometheus."""

__version__ = "0.1.0"
