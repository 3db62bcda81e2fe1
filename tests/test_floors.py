"""Imports only point down."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "exporter"

FLOORS = (
    ("__init__", "tcp", "errors", "durations", "formats", "masks"),
    ("decode", "roles", "verdict", "tracker"),
    ("tally", "cgroups", "descriptors"),
    ("sources", "limits", "owners"),
    ("ports", "pace", "suspects", "history"),
    ("stuck",),
    ("census",),
    ("record",),
    ("metrics", "exposition", "findings", "stuck_query", "page_style"),
    ("table", "document"),
    ("status_page",),
    ("yaml_document",),
    ("config",),
    ("web_config",),
    ("logs", "server", "sampler"),
    ("flags",),
    ("once", "daemon"),
    ("cli",),
    ("__main__",),
)
"""From the ground to the roof; a package stands on one floor with all its modules."""

PURE = (
    "tcp",
    "errors",
    "durations",
    "formats",
    "masks",
    "roles",
    "verdict",
    "tracker",
    "suspects",
    "stuck",
    "history",
    "tally",
    "decode",
    "ports",
    "pace",
    "census",
    "record",
)
ASKS_THE_WORLD = {"os", "socket", "time", "subprocess", "threading", "asyncio", "select", "psutil", "tornado"}

MODULES = sorted(PACKAGE.rglob("*.py"))


def room(module: Path) -> str:
    """The module, or the package that it is in."""
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def floor(name: str) -> int:
    return next(number for number, names in enumerate(FLOORS) if name in names)


def imports(module: Path) -> set[str]:
    """Every module named by an import statement, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}: relative import"
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def rooms_below(module: Path) -> set[str]:
    """The rooms of this package that the module imports."""
    own = {name.split(".")[1] for name in imports(module) if name.startswith("exporter.")}
    return {name if any(name in names for names in FLOORS) else "__init__" for name in own} - {room(module)}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(PACKAGE)))
def test_a_module_imports_only_from_floors_below(module: Path) -> None:
    own = floor(room(module))

    assert {name: floor(name) for name in rooms_below(module) if floor(name) >= own} == {}


@pytest.mark.parametrize("module", [one for one in MODULES if room(one) in PURE], ids=lambda module: module.stem)
def test_a_pure_module_could_not_do_io_if_it_wanted(module: Path) -> None:
    assert {name.split(".")[0] for name in imports(module)} & ASKS_THE_WORLD == set()


def test_every_module_has_a_floor() -> None:
    assert {room(module) for module in MODULES} == {name for names in FLOORS for name in names}


def test_one_sample_starts_without_a_server_or_a_client_library() -> None:
    """--once replaces a shell pipeline and has to be as quick: each of these costs more than the sample."""
    import subprocess
    import sys

    code = "import sys, exporter.cli as cli; cli.main(['--once']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)

    loaded = set(done.stdout.splitlines()[-1].split())
    assert loaded & {"tornado", "prometheus_client", "yaml", "psutil", "asyncio", "ssl"} == set()
