"""The programs that the exporter brings along are what is built of their sources."""

import importlib.util
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

from exporter.decode.light_skeleton import Skeleton, skeleton
from exporter.kernel.bpf import skeletons
from tests.lab.daemon import ROOT

NAMES = [skeletons.TYPED, skeletons.PROBE, skeletons.HOLDERS]
REMEDY = "make blobs builds them anew"


def build() -> ModuleType:
    """bpf/skeletons.py, which is a script."""
    spec = importlib.util.spec_from_file_location("skeletons", ROOT / "bpf/skeletons.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def committed(name: str) -> bytes:
    return (ROOT / "exporter/kernel/bpf" / name).read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_a_blob_says_the_hash_of_the_source_that_there_is(name: str) -> None:
    assert skeletons.named(name).built["sha256"] == build().BLOBS_BY_NAME[name].digest, REMEDY


@pytest.mark.parametrize("name", NAMES)
def test_a_blob_built_anew_is_the_same_byte_for_byte_and_with_other_tools_of_the_same_parts(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    script = build()
    expected, found = skeleton(committed(name)), skeleton(script.build(name))

    if all(expected.built[tool] == version for tool, version in script.tools()._asdict().items()):
        assert script.build(name) == committed(name), REMEDY
    else:
        with capsys.disabled():
            sys.stdout.write(f"\n{name}: by {expected.built}, here are {found.built}, so only parts are compared\n")
    assert parts(found) == parts(expected)


def parts(of: Skeleton) -> object:
    return of.maps, of.programs, of.byteorder, of.built["source"], of.built["sha256"]


def test_there_is_no_blob_that_is_not_built_and_none_is_missing() -> None:
    there = {file.name for file in (ROOT / "exporter/kernel/bpf").glob("*.blob")}

    assert there == set(NAMES) == set(build().BLOBS_BY_NAME)


@pytest.mark.parametrize("name", NAMES)
def test_no_blob_names_a_place_on_the_machine_that_built_it(name: str) -> None:
    content = committed(name)

    assert str(ROOT).encode() not in content
    assert b"/home/" not in content
    assert b"/usr/" not in content
    assert json.loads(content.partition(b"\n")[0])["byteorder"] == "little"


def test_blobs_are_found_also_in_an_archive(tmp_path: Path) -> None:
    """As in a file that zipapp(1) has made."""
    archive = tmp_path / "exporter.pyz"
    with zipfile.ZipFile(archive, "w") as made:
        for file in (ROOT / "exporter").rglob("*"):
            if file.suffix in {".py", ".blob"}:
                made.write(file, file.relative_to(ROOT))
    script = "import exporter; from exporter.kernel.bpf import skeletons; print(exporter.__file__);"
    script += f"print(*(len(skeletons.named(name).code) for name in {NAMES}))"

    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": str(archive)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    place, sizes = done.stdout.splitlines()
    assert place.startswith(str(archive))
    assert sizes.split() == [str(len(skeletons.named(name).code)) for name in NAMES]
