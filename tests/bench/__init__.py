"""What a sample costs, beside what others take for the same sockets: ``make bench``."""
