"""Runs a command that finds many descriptors open, so that all it opens itself have larger numbers.

python -m tests.lab.crowded DESCRIPTORS COMMAND [ARGUMENT ...]
"""

import os
import resource
import sys

if __name__ == "__main__":
    descriptors, *command = sys.argv[1:]
    wanted = int(descriptors) + 1000
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(wanted, hard)))
    kept = os.open(os.devnull, os.O_RDONLY)
    for _ in range(int(descriptors)):
        os.set_inheritable(os.dup(kept), True)
    os.execvp(command[0], command)
