"""Threads that are started before they are needed, and that nobody waits for when the process ends."""
