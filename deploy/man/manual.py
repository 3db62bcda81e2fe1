"""Writes the manual page and the completions for bash, both from the flags, beside this file."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from exporter.settings.flags import NAME, parser

HERE = Path(__file__).parent
PAGE = HERE / f"{NAME}.8"
COMPLETIONS = HERE / f"{NAME}.bash"

_HEAD = rf"""
.TH {NAME.upper()} 8 "" "{NAME}" "System Administration"
.SH NAME
{NAME} \- Prometheus exporter for a host's TCP sockets
.SH SYNOPSIS
.B {NAME}
.RI [ FLAG ...]
.SH DESCRIPTION
Counts the TCP sockets of this host by state, by port and by which end of the connection the host is,
tells which of them are stuck and who holds them, and serves that to Prometheus.
It samples on its own interval and needs neither a configuration nor privileges,
but for the names of other users' processes and for the sockets of other network namespaces.
.SH OPTIONS
"""
_TAIL = rf"""
.SH SIGNALS
.TP
.B SIGHUP
loads both configurations anew; what is wrong is logged, and the ones in force stay.
.TP
.BR SIGTERM ", " SIGINT
end it within two seconds; a second one ends it at once.
.SH EXIT STATUS
0 after an end that was asked for; 1 if it cannot run here, or if the sampler has died;
2 if flags or a configuration are wrong.
.SH ENVIRONMENT
.TP
.BR NOTIFY_SOCKET ", " WATCHDOG_USEC ", " LISTEN_FDS
as systemd sets them for a service of
.BR Type=notify .
A sign of life is given while samples go on.
.SH FILES
.TP
.I /etc/{NAME}/config.yaml
the configuration of the service; every key with its default is in
.IR /usr/share/doc/{NAME}/config.example.yaml .
.TP
.I /etc/default/{NAME}
the flags of the service, in
.BR ARGS .
.TP
.I /usr/share/{NAME}
rules, alerts, dashboards and runbooks,
and drop\-ins by which the service gets more privileges or its port from systemd.
.SH SEE ALSO
.BR prometheus (1),
.BR ss (8),
.BR systemd.service (5)
"""


def page() -> str:
    """In the language of man(7)."""
    return _HEAD.lstrip() + "".join(map(_option, _actions())) + _TAIL.lstrip()


def completions() -> str:
    """Flags, of which those with a value end in ``=``; after that, names of files."""
    ends = {flag: _value(one)[:1].strip("[") for one in _actions() for flag in one.option_strings}
    words = " ".join(flag + end for flag, end in ends.items())
    return f"complete -o default -o nospace -W '{words}' {NAME}\n"


def _actions() -> Iterator[argparse.Action]:
    yield from (one for one in parser()._actions if one.option_strings)  # noqa: SLF001 - argparse tells them no other way


def _option(one: argparse.Action) -> str:
    flags = ", ".join(rf"\fB{_plain(flag)}\fR" for flag in one.option_strings)
    return f".TP\n{flags}{_plain(_value(one))}\n{_plain(one.help or '')}.\n"


def _value(one: argparse.Action) -> str:
    """What follows the flag; empty if nothing does."""
    if one.nargs == 0:
        return ""
    choices = "|".join(map(str, one.choices)) if one.choices else ""
    value = f"={choices or one.metavar}"
    return f"[{value}]" if one.nargs == "?" else value


def _plain(text: str) -> str:
    """So that man(7) sees a minus for each hyphen, and no request in a line's first dot."""
    return text.replace("\\", r"\e").replace("-", r"\-")


if __name__ == "__main__":
    PAGE.write_text(page())
    COMPLETIONS.write_text(completions())
