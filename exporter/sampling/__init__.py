"""Joins kernel and count: one sample, the loop, its pace. Never formats."""
