"""Bytes or text from the kernel in, values out. Nothing here can do I/O."""
