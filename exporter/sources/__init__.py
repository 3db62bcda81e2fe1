"""Ways to ask the kernel for its TCP sockets: the only code, with ``limits``, that does so."""
