"""The command: reads the flags and does what they say. Every error ends as one line a fault and an exit code."""

import logging
from collections.abc import Callable, Sequence
from functools import partial

from exporter import once, output
from exporter.errors import ConfigError, OutputError, SampleError, SourceUnavailable, StartError
from exporter.logs import lines
from exporter.logs.writer import Writer
from exporter.settings import config, flags
from exporter.settings.flags import NAME, Flags
from exporter.signals import Signals
from exporter.threads.started import start

LAST_LINES_SECONDS = 0.2
"""How long the end may wait for the log to be written."""

log = logging.getLogger(__name__)


def main(arguments: Sequence[str], signals: Signals | None = None) -> int:
    """The exit code: 0, 1 if the exporter cannot run here, 2 if the user has to mend flags or configuration.

    Threads may still run: whoever has no use for them has to end the process, and not just this function.
    """
    return _code(partial(_do, arguments, signals or Signals()), output.complain)


def _do(arguments: Sequence[str], signals: Signals) -> int:
    try:
        found = flags.parse(arguments)
    except SystemExit as end:
        output.finish()
        return end.code if isinstance(end.code, int) else 1
    if not (found.once or found.config_check):
        return _serve(found, signals)
    signals.release()
    lines.configure(found.log_level, found.log_format, output.complain)
    output.write(_checked(found) if found.config_check else _sampled(found))
    return 0


def _code(do: Callable[[], int], complain: Callable[[str], None]) -> int:
    """The exit code of *do*, or of what it raises, after a line for *complain*."""
    try:
        return do()
    except ConfigError as error:
        complain(f"{error}\n")
        return 2
    except (StartError, OutputError, SampleError, SourceUnavailable) as error:
        complain(f"{NAME}: {error}\n")
    except BrokenPipeError:
        """Whoever reads the output has seen enough."""
    except KeyboardInterrupt:
        return 130
    except (ImportError, MemoryError, OSError) as error:  # too few descriptors, too little memory
        complain(f"{NAME}: cannot run here: {str(error) or 'not enough memory'}\n")
    except Exception:
        log.exception("ended by a mistake")
    return 1


def _checked(found: Flags) -> bytes:
    from exporter.settings import web_config  # noqa: PLC0415 - --once starts without TLS

    config.named(found.config_file)
    web_config.named(found.web_config_file)
    valid = [found.config_file or "no configuration file, the defaults", found.web_config_file]
    return "".join(f"{file}: valid\n" for file in valid if file).encode(errors="surrogateescape")


def _sampled(found: Flags) -> bytes:
    return once.answer(config.named(found.config_file), found.once or "")


def _serve(found: Flags, signals: Signals) -> int:
    """Nothing that happens from here on waits for who reads the log."""
    if not signals.take():
        raise StartError("cannot start a thread: there may be no more of them, or no memory for one")
    from exporter.kernel import privileges  # noqa: PLC0415 - --once keeps them

    writer = Writer(2)
    start("log", privileges.give_up_all, writer.run)
    lines.configure(found.log_level, found.log_format, writer.put)
    lines.catch_the_rest()
    code = _code(partial(_run, found, signals), writer.put)
    writer.flush(LAST_LINES_SECONDS)
    return code


def _run(found: Flags, signals: Signals) -> int:
    configuration = config.named(found.config_file)
    try:
        from exporter import daemon  # noqa: PLC0415 - --once starts without a server
    except (LookupError, SystemError) as error:  # an encoding, or a part of Python, has found no memory
        raise MemoryError from error
    return daemon.run(found, configuration, signals)
