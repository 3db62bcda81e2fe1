"""A long run beside everything that can happen to an exporter: see ``python -m tests.soak --help``."""
