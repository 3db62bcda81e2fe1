"""Decides: which label, how old, what is stuck, whose. Never asks, has no clock, and reaches nothing that does."""
