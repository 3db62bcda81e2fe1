"""Counts inside the kernel: the programs, how they are loaded and called, and the sources that read what they tell."""
