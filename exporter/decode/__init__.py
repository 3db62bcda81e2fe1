"""Bytes and text of the kernel in, values out. Never does I/O, never decides."""
