"""Asks the kernel for sockets, limits and owners. Never parses what it answers, never decides what that means."""
