"""The package and the single file on fresh Debian systems, with systemd as their first process; it takes minutes."""
