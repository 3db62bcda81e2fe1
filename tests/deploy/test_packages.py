"""What is given away: whether all of it is in there, and whether the single file runs by itself."""

import hashlib
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.lab import daemon, source
from tests.lab.daemon import PORT, ROOT
from tests.lab.netns import Namespace

ASSETS = ("prometheus", "grafana/dashboards", "grafana/provisioning", "runbooks", "systemd")
"""Folders of deploy/ that go beside the program."""

UNITS = (".service", ".socket")
"""In Debian's package these are where systemd looks for them."""

PYTHON = "/usr/bin/python3"
"""One that knows nothing of what the tests are run with."""


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All that make dist makes, of a copy of the source."""
    made = tmp_path_factory.mktemp("source")
    source.copy(made)
    source.commit(made)
    done = subprocess.run(["make", "dist"], cwd=made, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return made / "dist"


def only(dist: Path, pattern: str) -> Path:
    [found] = dist.glob(pattern)
    return found


def unpack(file: Path, into: Path) -> None:
    subprocess.run(["tar", "--extract", f"--file={file}"], cwd=into, check=True)


def beside(root: Path) -> Mapping[str, bytes]:
    """The files of ASSETS by their names there."""
    files = [file for name in ASSETS for file in (root / name).rglob("*") if file.is_file()]
    assert len(files) > 30
    return {str(file.relative_to(root)): file.read_bytes() for file in files}


def modules() -> Mapping[str, bytes]:
    """The files of the program, but for the one that is told the version."""
    files = [file for file in (ROOT / "exporter").rglob("*") if file.suffix in {".py", ".blob"}]
    return {str(one.relative_to(ROOT)): one.read_bytes() for one in files if one != ROOT / "exporter/__init__.py"}


def test_the_wheel_has_the_program_and_what_goes_beside_it(dist: Path) -> None:
    with zipfile.ZipFile(only(dist, "*.whl")) as wheel:
        found = {name: wheel.read(name) for name in wheel.namelist()}
    shared = {name.partition("/share/tcp-state-exporter/")[2]: content for name, content in found.items()}

    assert modules().items() <= found.items()
    assert beside(ROOT / "deploy").items() <= shared.items()
    assert {name for name in shared if name.startswith("kubernetes/overlays/")}
    assert {name for name in found if name.endswith("/share/man/man8/tcp-state-exporter.8")}


def test_the_source_archive_has_all_that_is_tracked_and_builds_the_same_wheel(dist: Path, tmp_path: Path) -> None:
    unpack(only(dist, "tcp_state_exporter-*.tar.gz"), tmp_path)
    [unpacked] = tmp_path.iterdir()
    assert [name for name in source.names() if not (unpacked / name).exists()] == []

    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel"], cwd=unpacked, check=True)
    wheel = only(unpacked / "dist", "*.whl")
    assert wheel.name == only(dist, "*.whl").name
    assert content(wheel) == content(only(dist, "*.whl"))


def content(file: Path) -> Mapping[str, bytes]:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_archive_for_prometheus_communitys_roles_has_the_program_at_its_top(dist: Path, tmp_path: Path) -> None:
    for architecture in ("amd64", "arm64"):
        file = only(dist, f"*.linux-{architecture}.tar.gz")
        unpack(file, tmp_path)
        folder = tmp_path / file.name.removesuffix(".tar.gz")
        assert re.fullmatch(rf"tcp-state-exporter-[\d.a-z]+\.linux-{architecture}", folder.name)
        assert (folder / "tcp-state-exporter").read_bytes() == only(dist, "*.pyz").read_bytes()
        assert (folder / "tcp-state-exporter").stat().st_mode & 0o777 == 0o755
        assert beside(folder) == beside(ROOT / "deploy")


def test_the_package_for_debian_has_the_program_and_what_goes_beside_it(dist: Path, tmp_path: Path) -> None:
    subprocess.run(["dpkg-deb", "--extract", only(dist, "*.deb"), tmp_path], check=True)
    installed = tmp_path / "usr/lib/tcp-state-exporter"
    found = {str(file.relative_to(installed)): file.read_bytes() for file in installed.rglob("*") if file.is_file()}
    shared = {name: content for name, content in beside(ROOT / "deploy").items() if not name.endswith(UNITS)}
    shared = {name: content for name, content in shared.items() if not name.startswith("prometheus/tests/")}

    assert modules().items() <= found.items()
    assert beside(tmp_path / "usr/share/tcp-state-exporter") == shared
    assert (tmp_path / "etc/tcp-state-exporter/config.yaml").exists()
    assert (tmp_path / "etc/default/tcp-state-exporter").exists()
    assert (tmp_path / "usr/share/man/man8/tcp-state-exporter.8.gz").exists()


def test_lintian_finds_nothing_in_it_but_that_it_closes_no_bug_of_debians(dist: Path) -> None:
    command = ["lintian", "--allow-root", "--suppress-tags=initial-upload-closes-no-bugs", str(only(dist, "*.deb"))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "")


def test_every_file_has_its_sum(dist: Path) -> None:
    lines = [line.split("  ") for line in (dist / "SHA256SUMS").read_text().splitlines()]
    files = [file for file in dist.iterdir() if file.name != "SHA256SUMS"]

    assert {name: digest for digest, name in lines} == {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files
    }


def test_all_say_the_same_version(dist: Path) -> None:
    names = sorted(file.name for file in dist.iterdir() if file.suffix in {".whl", ".pyz", ".deb"})
    pattern = re.compile(r"[-_](\d[\da-z.]+?)(\.pyz|-)")
    versions = {found[1] for name in names if (found := pattern.search(name.replace("~", ".")))}

    assert (len(names), len(versions)) == (3, 1)


@pytest.fixture
def alone(dist: Path, tmp_path: Path) -> Path:
    """The single file where nothing else is."""
    file = tmp_path / "tcp-state-exporter"
    file.write_bytes(only(dist, "*.pyz").read_bytes())
    file.chmod(0o755)
    return file


def test_the_single_file_samples_without_any_library_of_the_host(alone: Path) -> None:
    command = [PYTHON, "-I", "-S", str(alone), "--once=json"]
    done = subprocess.run(command, cwd="/", env={}, capture_output=True, text=True, check=True)

    assert json.loads(done.stdout)["totals"]
    assert done.stderr == ""


@pytest.mark.kernel
def test_the_single_file_serves(alone: Path, host: Namespace, tmp_path: Path) -> None:
    command = [PYTHON, "-I", "-S", str(alone), f"--web.listen-address=127.0.0.1:{PORT}"]
    with daemon._process(host, command, tmp_path / "log", PORT, "/-/ready") as one:
        assert one.value("tcpstate_up") == 1
        [build] = one.samples("tcpstate_build_info")
        assert re.fullmatch(r"[0-9a-f]{7,12}(-dirty)?", build.labels["revision"])
        assert "<html" in one.ask("/").body


def test_the_single_file_says_which_python_it_needs(alone: Path, tmp_path: Path) -> None:
    """By one that believes to be older."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.version_info = (3, 9, 2)\nsys.version = '3.9.2'\n")
    done = subprocess.run(
        [PYTHON, alone], env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (1, "tcp-state-exporter: needs Python 3.11 or newer, this is 3.9.2\n")
