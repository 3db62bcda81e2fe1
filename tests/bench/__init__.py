"""What a sample costs, beside what others take for the same sockets, and what a fleet costs who watches it."""
