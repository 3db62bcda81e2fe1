"""The log: how a record becomes a line, what is said of an exception, and a writer that nobody has to wait for."""
