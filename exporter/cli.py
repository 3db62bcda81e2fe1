"""The command: reads the flags and does what they say. Every error ends as one line a fault and an exit code."""

import os
import sys
from collections.abc import Sequence

from exporter import logs, once
from exporter.errors import ConfigError, SampleError, SourceUnavailable, StartError
from exporter.settings import config, flags
from exporter.settings.config import Config
from exporter.settings.flags import NAME, Flags


def entry() -> None:
    """The console script."""
    sys.exit(main(sys.argv[1:]))


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0, 1 if the exporter cannot run here, 2 if the user has to mend flags or configuration."""
    found = flags.parse(arguments)
    try:
        return _run(found, config.named(found.config_file))
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except (StartError, SampleError, SourceUnavailable) as error:
        sys.stderr.write(f"{NAME}: {error}\n")
        return 1
    except BrokenPipeError:
        # Whoever reads our output has seen enough; nothing is left that could be flushed to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130


def _run(found: Flags, configuration: Config) -> int:
    if found.config_check:
        sys.stdout.write(f"{found.config_file or 'no configuration file, the defaults'}: valid\n")
        return 0
    logs.configure(found.log_level, found.log_format)
    if found.once:
        once.run(configuration, found.once)
        sys.stdout.flush()
        return 0
    from exporter import daemon  # noqa: PLC0415 - --once starts without a server

    daemon.run(found, configuration)
    return 0
