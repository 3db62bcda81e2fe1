"""The version and the revision that go into what is built."""

import subprocess
from pathlib import Path

import pytest

from exporter import __version__
from tests.lab.daemon import ROOT


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The source in a folder that no repository knows."""
    for name in ("deploy/version.py", "exporter/__init__.py"):
        file = tmp_path / "source" / name
        file.parent.mkdir(parents=True)
        file.write_text((ROOT / name).read_text())
    return tmp_path / "source"


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    done = subprocess.run(["git", "-C", str(folder), *who, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message=one")


def told(source: Path, *arguments: str, **environment: str) -> str:
    command = ["python3", str(source / "deploy/version.py"), *arguments]
    variables = {"PATH": "/usr/bin:/bin", **environment}
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize(
    ("tags", "version", "debian"),
    [
        ([None, None], f"{__version__}.dev2", f"{__version__}~dev2"),
        (["v1.2.3", None], "1.2.3.post1", "1.2.3.post1"),
        ([None, "v1.2.3"], "1.2.3", "1.2.3"),
        ([None, "v2.0.0rc1"], "2.0.0rc1", "2.0.0~rc1"),
        ([None, "nightly"], f"{__version__}.dev2", f"{__version__}~dev2"),
    ],
)
def test_the_version_is_that_of_the_tag_or_counts_the_commits(
    source: Path, tags: list[str | None], version: str, debian: str
) -> None:
    git(source, "init", "--quiet")
    for tag in tags:
        commit(source)
        if tag:
            git(source, "tag", tag)

    assert (told(source), told(source, "DEBIAN")) == (version, debian)


def test_the_revision_is_the_commit_and_says_if_it_is_not_all(source: Path) -> None:
    git(source, "init", "--quiet")
    commit(source)
    known = git(source, "rev-parse", "--short=12", "HEAD")
    assert told(source, "REVISION") == known

    (source / "exporter/__init__.py").write_text((source / "exporter/__init__.py").read_text() + "\n")
    assert told(source, "REVISION") == f"{known}-dirty"


def test_what_is_unpacked_within_somebody_elses_repository_has_none_of_its_tags(source: Path) -> None:
    git(source.parent, "init", "--quiet", str(source.parent))
    commit(source.parent)
    git(source.parent, "tag", "v9.9.9")

    assert (told(source), told(source, "REVISION")) == (__version__, "")


def test_what_is_built_keeps_both_also_where_there_is_no_repository_any_more(source: Path, tmp_path: Path) -> None:
    stamped = tmp_path / "stamped"
    told(source, str(stamped), TCPSTATE_VERSION="1.2.3", TCPSTATE_REVISION="abcdef012345")
    (source / "exporter/__init__.py").write_text(stamped.read_text())

    assert (told(source), told(source, "REVISION")) == ("1.2.3", "abcdef012345")
    assert (
        stamped.read_text().replace("1.2.3", __version__).replace("abcdef012345", "")
        == (ROOT / "exporter/__init__.py").read_text()
    )
