"""Counts a host's TCP sockets by state, role and port, and serves them to Prometheus."""

__version__ = "0.1.0"
__revision__ = ""
"""The commit, in what has been built; version too is that of the build there (deploy/version.py)."""
