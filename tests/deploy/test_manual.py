"""The manual page and the completions, which are written by a script from the flags."""

import runpy
import subprocess

from exporter.settings import flags
from tests.lab.daemon import ROOT

FOLDER = ROOT / "deploy/man"
PAGE = FOLDER / "tcp-state-exporter.8"
COMPLETIONS = FOLDER / "tcp-state-exporter.bash"

_COMPLETE = """
source "$1"
complete -p tcp-state-exporter >/dev/null
compgen -W "$(complete -p tcp-state-exporter | sed "s/.*-W '\\([^']*\\)'.*/\\1/")" -- "$2"
"""


def test_both_are_what_the_flags_say_today() -> None:
    made = runpy.run_path(str(FOLDER / "manual.py"))

    assert made["page"]() == PAGE.read_text()
    assert made["completions"]() == COMPLETIONS.read_text()


def test_every_flag_is_in_the_page_as_somebody_reads_it() -> None:
    command = ["groff", "-man", "-Tascii", "-P-cbou", "-rLL=200n", str(PAGE)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    known = [flag for one in flags.parser()._actions for flag in one.option_strings]

    assert len(known) > 15
    assert [flag for flag in known if flag not in shown] == []


def test_the_page_has_no_fault() -> None:
    command = ["groff", "-man", "-Tascii", "-ww", "-z", str(PAGE)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stderr == ""


def test_bash_completes_the_flags() -> None:
    command = ["bash", "-c", _COMPLETE, "bash", str(COMPLETIONS), "--log"]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    assert found == ["--log.level=", "--log.format="]
