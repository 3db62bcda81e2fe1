"""A guest that does what it should not; the machine is a shell script in the place of qemu."""

import fcntl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.kernels import guest
from tests.kernels.guest import GuestFailed
from tests.kernels.kernels import Kernel
from tests.lab.witness import wait_for

KERNEL = Kernel("6.1", "6.1.0-50-amd64", Path("image"), Path("initramfs"), Path("modules"))

PANIC = 'seq -f "line %g" 100 >console; echo "Kernel panic" >>console'
WELL = "touch up; bash command; echo $? >status"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What guest and host exchange, as the script sees it too."""
    monkeypatch.setattr(guest, "CACHE", tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def machine(folder: Path, does: str) -> None:
    program = folder / "qemu-system-x86_64"
    program.write_text(f"#!/bin/bash\ncd {folder}\n{does}\n")
    program.chmod(0o755)


@pytest.mark.parametrize("status", [0, 7])
def test_the_status_is_that_of_the_command(status: int, folder: Path) -> None:
    machine(folder, WELL)

    assert guest.run(KERNEL, f"(exit {status})", seconds=10, exchange=folder) == status


def test_the_command_runs_in_the_repository_by_the_same_python(folder: Path) -> None:
    machine(folder, WELL)

    assert guest.run(KERNEL, "ls tests/kernels/boot && python -c 'import exporter'", seconds=10, exchange=folder) == 0


@pytest.mark.parametrize(
    ("does", "seconds", "message"),
    [
        (PANIC, 10, "did not boot"),
        (f"{PANIC}; exec sleep 60", 10, "did not boot"),
        (f"{PANIC}; touch up; exec sleep 60", 1, "did not finish within 1 s"),
        (f"{PANIC}; touch up", 10, "ended before its command"),
    ],
    ids=["panic", "never up", "too long", "ended early"],
)
def test_a_guest_that_fails_shows_the_last_lines_of_its_console(
    does: str, seconds: float, message: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guest, "BOOT_SECONDS", 2.0)
    machine(folder, does)

    with pytest.raises(GuestFailed, match=message) as failed:
        guest.run(KERNEL, "true", seconds=seconds, exchange=folder)

    lines = str(failed.value).splitlines()
    assert lines[-2:] == ["line 100", "Kernel panic"]
    assert len(lines) < 30


def test_a_guest_waits_until_another_has_ended(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    machine(folder, WELL)
    with ThreadPoolExecutor() as threads, (folder / "lock").open("w") as another:
        fcntl.flock(another, fcntl.LOCK_EX)
        waiting = threads.submit(guest.run, KERNEL, "true", seconds=10, exchange=folder)
        wait_for(lambda: "waits until another guest has ended" in capfd.readouterr().out, "it says that it waits")
        assert not (folder / "up").exists()
        fcntl.flock(another, fcntl.LOCK_UN)

        assert waiting.result(10) == 0
