"""The house: imports only point down, some rooms never meet, and no file is a heap."""

from __future__ import annotations

import ast
import os
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "flam_pl"
FLOORS: tuple[tuple[str, ...], ...] = (
    ("errors", "atomic_io", "terminal", "losses", "metrics"),
    ("attributes", "config", "images", "distributed", "galleries"),
    ("datasets", "models", "editing"),
    ("data", "retrieval"),
    ("training", "evaluation"),
    ("reports", "serving"),
    ("methods",),
    ("experiments",),
    ("__main__",),
)
LONGEST_FILE = 350
HEAPS = {"utils", "util", "misc", "helpers", "helper", "common"}


def floor_of(room: str) -> int:
    for floor, rooms in enumerate(FLOORS):
        if room in rooms:
            return floor
    raise AssertionError(f"{room} stands on no floor: add it to the table")


def modules() -> dict[str, Path]:
    """Dotted name -> file of every module of the package."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


@cache
def imports(name: str) -> set[str]:
    """Every module that the file imports anywhere, also inside functions."""
    found: set[str] = set()
    package = name if MODULES[name].name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(MODULES[name].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base]).strip(".")
            # "from package import module" imports the module
            named = {f"{base}.{alias.name}" for alias in node.names}
            found |= named & set(MODULES)
            if not named <= set(MODULES):
                found.add(base)
    return found


def room_of(name: str) -> str | None:
    parts = name.split(".")
    return parts[1] if parts[0] == "flam_pl" and len(parts) > 1 else None


@cache
def reachable(name: str) -> set[str]:
    """Every module that importing ``name`` imports, directly or not."""
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current not in seen:
            seen.add(current)
            if current in MODULES:
                waiting += imports(current)
    return seen


def test_every_room_stands_on_a_floor() -> None:
    rooms = {room for room in map(room_of, MODULES) if room}
    assert rooms == {room for floor in FLOORS for room in floor}
    assert len(rooms) <= 22 and len(FLOORS) <= 9
    for room in rooms:
        floor_of(room)


@pytest.mark.parametrize("name", [n for n in MODULES if room_of(n)])
def test_imports_only_point_down(name: str) -> None:
    room = room_of(name)
    assert room is not None
    for imported in imports(name):
        below = room_of(imported)
        if below is not None and below != room:
            assert floor_of(below) < floor_of(room), f"{name} imports {imported} from above"


def test_no_two_modules_need_each_other() -> None:
    for name in MODULES:
        for imported in imports(name) & set(MODULES):
            if imported != name and not name.startswith(f"{imported}."):
                assert name not in reachable(imported), f"{name} and {imported} import each other"


LIGHT = ("models", "losses", "metrics", "editing", "retrieval", "galleries", "serving")
NETWORKS = [name for name in MODULES if room_of(name) in LIGHT]
HEAVY = {"pytorch_lightning", "lightning", "hydra", "matplotlib", "pandas", "wandb"}


@pytest.mark.parametrize("name", NETWORKS)
def test_what_answers_a_search_imports_nothing_of_training_or_reports(name: str) -> None:
    assert not {m.split(".")[0] for m in reachable(name)} & HEAVY


@pytest.mark.parametrize(
    "name", ["flam_pl.training.embedder_module", "flam_pl.training.manipulator_module"]
)
def test_stages_2_and_3_never_open_an_image(name: str) -> None:
    seen = reachable(name)
    assert not {m for m in seen if m.startswith(("flam_pl.images", "flam_pl.datasets"))}
    assert not {m for m in seen if m.split(".")[0] in ("torchvision", "PIL", "cv2")}


def test_the_walk_over_imports_sees_what_is_there() -> None:
    """Else the tests above would pass on an empty set."""
    assert "flam_pl.models.attribute_embedder" in imports("flam_pl.training.embedder_module")
    assert "pytorch_lightning" in reachable("flam_pl.training.embedder_module")
    assert "flam_pl.images.pixels" in reachable("flam_pl.experiments.pipeline")
    assert len(NETWORKS) > 10
    assert "flam_pl.experiments.pipeline" in imports("flam_pl.__main__")  # inside a function


@pytest.mark.parametrize("folder", ["src", "tests"])
def test_no_file_is_longer_than_350_lines_or_a_heap(folder: str) -> None:
    files = [
        Path(place) / file
        for place, _, names in os.walk(ROOT / folder)
        for file in names
        if file.endswith(".py")
    ]
    assert len(files) > 20
    long = {str(f.relative_to(ROOT)): n for f in files if (n := lines(f)) > LONGEST_FILE}
    # what the package promises; a long file of tests is a lesser evil
    assert not {name: n for name, n in long.items() if name.startswith("src")}
    heaps = [str(f.relative_to(ROOT)) for f in files if {f.stem, f.parent.name} & HEAPS]
    assert not heaps


def test_no_folder_has_more_than_15_files() -> None:
    counts = Counter(path.parent for path in SOURCE.rglob("*.py") if path.name != "__init__.py")
    assert len(counts) > 10
    assert not {folder.name: count for folder, count in counts.items() if count > 15}


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())
