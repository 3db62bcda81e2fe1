"""What is known of TCP: states, roles, how a socket ends, and the values that a reading gives. Asks nobody anything."""
