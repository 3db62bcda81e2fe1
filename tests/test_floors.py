"""The house: imports only point down, the two wings do not know each other, and what is to be pure reaches nothing."""

import ast
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "exporter"

FLOORS = (
    ("__init__", "errors", "durations", "masks"),
    ("interpreter", "logs", "output", "signals", "threads"),
    ("tcp",),
    ("decode",),
    ("kernel", "count"),
    ("settings",),
    ("show",),
    ("server", "sampling"),
    ("once", "daemon"),
    ("cli",),
    ("__main__",),
)
"""From the ground to the roof. A room is a folder with all its modules, or one module; those of one floor do not
know each other."""

PURE = ("errors", "durations", "masks", "tcp", "decode", "count")
ASKS_THE_WORLD = {"os", "io", "socket", "time", "subprocess", "pathlib", "logging", "select", "asyncio", "threading"}

FORMATS = ("show",)
"""Rooms that may guard what they remember against two threads, and use the client library, and nothing else."""
ASKS_MORE_THAN_A_LOCK = ASKS_THE_WORLD - {"threading"} | {"psutil", "tornado"}

MODULES = sorted(PACKAGE.rglob("*.py"))


def room(module: Path) -> str:
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def floor(name: str) -> int:
    return next(number for number, names in enumerate(FLOORS) if name in names)


@cache
def imports(module: Path) -> frozenset[str]:
    """Every module named by an import statement, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}: relative import"
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(found)


def file(name: str) -> Path | None:
    """The module of this package by the longest part of *name* that is one."""
    parts = name.split(".")[1:]
    for end in range(len(parts), 0, -1):
        path = PACKAGE.joinpath(*parts[:end])
        if path.with_suffix(".py").exists():
            return path.with_suffix(".py")
        if path.is_dir():
            return path / "__init__.py"
    return PACKAGE / "__init__.py"


def own_imports(module: Path) -> set[Path]:
    return {found for name in imports(module) if name.split(".")[0] == "exporter" and (found := file(name))}


def reached(module: Path) -> set[str]:
    """The libraries that the module imports, and those of all that it imports, and so on."""
    seen, left = {module}, [module]
    while left:
        new = own_imports(left.pop()) - seen
        seen |= new
        left += new
    libraries = {name.split(".")[0] for one in seen for name in imports(one)}
    return libraries - {"exporter"}


def names(modules: list[Path]) -> list[str]:
    return [str(module.relative_to(PACKAGE)) for module in modules]


@pytest.mark.parametrize("module", MODULES, ids=names(MODULES))
def test_a_module_imports_only_from_its_own_room_and_floors_below(module: Path) -> None:
    others = {room(one) for one in own_imports(module)} - {room(module)}

    assert {name for name in others if floor(name) >= floor(room(module))} == set()


PURE_MODULES = [module for module in MODULES if room(module) in PURE]


@pytest.mark.parametrize("module", PURE_MODULES, ids=names(PURE_MODULES))
def test_a_pure_module_reaches_nothing_that_asks_the_world(module: Path) -> None:
    assert reached(module) & (ASKS_THE_WORLD | ASKS_MORE_THAN_A_LOCK) == set()


FORMATTING = [module for module in MODULES if room(module) in FORMATS]


@pytest.mark.parametrize("module", FORMATTING, ids=names(FORMATTING))
def test_a_module_that_formats_asks_the_world_for_nothing(module: Path) -> None:
    assert reached(module) & ASKS_MORE_THAN_A_LOCK == set()


def test_every_room_has_a_floor() -> None:
    assert {room(module) for module in MODULES} == {name for names in FLOORS for name in names}


def test_every_folder_says_what_belongs_there() -> None:
    folders = [module for module in MODULES if module.name == "__init__.py"]

    assert [folder for folder in folders if not ast.get_docstring(ast.parse(folder.read_text()))] == []


LATE = {"to_thread", "run_in_executor", "ThreadPoolExecutor"}
"""What starts a thread when there is work for it, fails where there are none left, and is waited for at the end."""


def named(module: Path) -> set[str]:
    """Every name and attribute in the module."""
    nodes = list(ast.walk(ast.parse(module.read_text())))
    plain = {node.id for node in nodes if isinstance(node, ast.Name)}
    return (
        plain
        | {node.attr for node in nodes if isinstance(node, ast.Attribute)}
        | {alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}
    )


@pytest.mark.parametrize("module", MODULES, ids=names(MODULES))
def test_no_module_has_threads_that_start_with_the_first_work(module: Path) -> None:
    assert named(module) & LATE == set()


def test_threads_are_made_in_one_place_but_for_that_which_takes_the_signals() -> None:
    makers = [module for module in MODULES if "threading.Thread" in imports(module)]

    assert names(makers) == ["signals.py", "threads/started.py"]
