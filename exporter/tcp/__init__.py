"""What is known of TCP: states, roles, how a socket ends, and the values that one reading gives. Never asks anybody anything."""
