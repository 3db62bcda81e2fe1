"""Formats what was decided, for Prometheus, for people and for scripts.

Every name, help text and sentence is here; no decision is.
"""
