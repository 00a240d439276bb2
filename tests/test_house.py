"""The house keeps its walls: who may import whom, what is public, what starts fast."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import seewhy
from seewhy.commands.cli import COMMANDS, build_parser

SOURCE = Path(seewhy.__file__).parent
MODULES = sorted(SOURCE.rglob("*.py"))
FRAMEWORKS = {"torch", "tensorflow", "jax", "keras", "torchvision", "timm"}

FLOORS = (
    {"__main__"},
    {"commands", "__init__"},
    {"serving", "training"},
    {"reporting"},
    {"datasets", "checking", "locating", "evaluating", "inside", "targets", "callbacks"},
    {"explaining"},
    {"zoo"},
    {"classifier", "methods", "rendering"},
    {"networks", "maps", "ranks"},
    {"incremental", "photos", "attention", "boxes", "files", "settings"},
    {"errors", "progress", "tables", "version"},
)
"""The rooms from the top floor down: a room imports only rooms on lower floors."""

IMPORTERS_OF_FRAMEWORKS = {"zoo", "training", "targets", "callbacks"}
"""Rooms that import a framework inside functions; only `networks` does at module level."""

LONGEST = 400
"""Lines of a module: past this it has two subjects."""


def room_of(name: str) -> str:
    """Return the room of a dotted name: 'seewhy.zoo.load' is in 'zoo'."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def name_of(path: Path) -> str:
    parts = ["seewhy", *path.relative_to(SOURCE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(node: ast.AST) -> list[str]:
    """Name the modules that an import statement reads, submodules of packages among them."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        inner = [f"{node.module}.{alias.name}" for alias in node.names]
        return [name for name in inner if name in NAMES] or [node.module]
    return []


NAMES = {name_of(path) for path in MODULES}
TREES = {name_of(path): ast.parse(path.read_text("utf-8")) for path in MODULES}


def imports_when_loaded(tree: ast.Module) -> list[str]:
    """Imports that run when the module is imported: not in functions, not for type checkers."""
    found: list[str] = []
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        found += imported(node)
        pending += ast.iter_child_nodes(node)
    return found


def all_imports(tree: ast.Module) -> list[str]:
    return [name for node in ast.walk(tree) for name in imported(node)]


def rooms_imported() -> dict[str, set[str]]:
    """Return which other rooms each room imports, inside functions too."""
    rooms: dict[str, set[str]] = {}
    for name, tree in TREES.items():
        room = room_of(name)
        inner = {room_of(one) for one in all_imports(tree) if one.split(".")[0] == "seewhy"}
        rooms.setdefault(room, set()).update(inner - {room})
    return rooms


def floor_of(room: str) -> int:
    return next(level for level, rooms in enumerate(FLOORS) if room in rooms)


def test_every_room_has_a_floor() -> None:
    assert {room_of(name) for name in TREES} == set().union(*FLOORS)


def test_each_room_imports_only_rooms_below_it() -> None:
    upward = [
        f"{room} imports {other}"
        for room, others in rooms_imported().items()
        for other in others
        if floor_of(other) <= floor_of(room)
    ]
    assert not upward


def test_there_are_no_circles_among_modules() -> None:
    """Modules are taken away as soon as all that they import is gone; none must be left."""
    left = {
        name: {one for one in all_imports(tree) if one in TREES and one not in (name, "seewhy")}
        for name, tree in TREES.items()
    }
    while free := {name for name, needs in left.items() if not needs & left.keys()}:
        left = {name: needs for name, needs in left.items() if name not in free}
    assert not left


ADAPTERS = {
    "keras.model", "keras.tensorflow", "keras.jax", "keras.torch", "pytorch.module"
}  # fmt: skip
"""The modules of `networks` that may use what makes a network quicker."""


def test_only_adapters_use_what_makes_networks_quicker() -> None:
    users = {
        name.removeprefix("seewhy.networks.")
        for name, tree in TREES.items()
        if ".fast" not in name and any(".fast" in one for one in all_imports(tree))
    }
    assert users <= ADAPTERS
    assert users, "nothing is made quicker"


@pytest.mark.parametrize("name", sorted(NAMES))
def test_nobody_asks_a_network_what_it_has(name: str) -> None:
    """What a network lacks is refused by the base class: no isinstance, no hasattr, no getattr."""
    if room_of(name) == "networks":
        return
    assert "seewhy.networks.adapter" not in all_imports(TREES[name])
    asked = [
        ast.unparse(node)
        for node in ast.walk(TREES[name])
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("hasattr", "getattr")
        and ast.unparse(node.args[0]).split(".")[-1] in ("network", "_network")
    ]
    assert not asked


@pytest.mark.parametrize("room", ["methods", "incremental", "photos", "rendering"])
def test_rooms_below_the_networks_know_no_classifier(room: str) -> None:
    assert not rooms_imported()[room] & {"classifier", "networks", "explaining", "zoo"}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_frameworks_are_imported_in_networks_and_inside_few_functions(name: str) -> None:
    if room_of(name) == "networks":
        return
    loaded = {one.split(".")[0] for one in imports_when_loaded(TREES[name])}
    assert not loaded & FRAMEWORKS
    if room_of(name) not in IMPORTERS_OF_FRAMEWORKS:
        assert not {one.split(".")[0] for one in all_imports(TREES[name])} & FRAMEWORKS


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_module_repeats_the_name_of_its_room(path: Path) -> None:
    room = path.parent.name
    stem = room.removesuffix("ing").removesuffix("s")
    assert not path.stem.startswith((f"{room}_", f"{stem}_", f"{stem}ing_"))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_have_one_subject(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST
    assert path.stem not in {"utils", "helpers", "common", "manager"}


def test_signatures_have_at_most_eight_written_parameters() -> None:
    wide = {
        f"{name}: {node.name}": count
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for given in [node.args]
        for written in [(*given.posonlyargs, *given.args, *given.kwonlyargs)]
        if (count := sum(one.arg not in ("self", "cls") for one in written)) > 8
    }
    assert wide == {}


def documented_arguments(docstring: str) -> list[str]:
    """Return the names that a docstring's Args section describes."""
    lines = iter(docstring.splitlines())
    indent = next((line.index("Args:") for line in lines if line.strip() == "Args:"), None)
    if indent is None:
        return []
    entries: list[str] = []
    for line in lines:
        depth = len(line) - len(line.lstrip())
        if not line.strip() or depth <= indent:
            break
        if depth == indent + 4:
            entries.append("")
        entries[-1] += line
    return [name.strip() for one in entries for name in one.partition(":")[0].split(",")]


def parameters(node: ast.AST) -> set[str]:
    """Return the parameters of a function, or of a class: of its __init__, or its fields."""
    if isinstance(node, ast.ClassDef):
        made = [one for one in node.body if getattr(one, "name", "") == "__init__"]
        if made:
            return parameters(made[0])
        fields = {ast.unparse(one.target) for one in node.body if isinstance(one, ast.AnnAssign)}
        bases = [CLASSES[name] for name in map(ast.unparse, node.bases) if name in CLASSES]
        return fields.union(*map(parameters, bases))
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    given = node.args
    found = {one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)}
    found |= {one.arg for one in (given.vararg, given.kwarg) if one}
    unpacked = re.findall(r"Unpack\[(\w+)\]", ast.unparse(given))
    return found.union(*(parameters(CLASSES[name]) for name in unpacked))


CLASSES = {
    one.name: one
    for tree in TREES.values()
    for one in ast.walk(tree)
    if isinstance(one, ast.ClassDef)
}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_docstrings_describe_arguments_that_are_there(name: str) -> None:
    gone = [
        f"{node.name}: {argument}"
        for node in ast.walk(TREES[name])
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        for argument in documented_arguments(ast.get_docstring(node) or "")
        if argument.lstrip("*") not in parameters(node)
    ]
    assert not gone


def test_importing_seewhy_and_asking_for_help_loads_no_framework_and_no_plotting() -> None:
    code = (
        "import sys, seewhy, seewhy.commands.cli; seewhy.commands.cli.build_parser().format_help();"
        "heavy = {'torch', 'tensorflow', 'jax', 'keras', 'matplotlib', 'skimage', 'numpy'};"
        "sys.exit(' '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_public_name_is_there_and_documented() -> None:
    for name in seewhy.__all__:
        thing = getattr(seewhy, name)
        if name not in ("__version__", "METHODS"):
            assert thing.__doc__, name


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"^module 'seewhy' has no attribute 'grad_kam'$"):
        seewhy.grad_kam  # noqa: B018


def test_public_functions_stay_functions_whatever_was_imported_before() -> None:
    importlib.import_module("seewhy.explaining.explain")
    importlib.import_module("seewhy.locating._locate")
    assert seewhy.explain.__name__ == "explain"
    assert seewhy.locate.__name__ == "locate"


def test_every_command_is_listed_in_help() -> None:
    text = build_parser().format_help().replace("\n", " \n")
    for command in COMMANDS:
        assert f"    {command.replace('_', '-')} " in text


def test_public_things_say_seewhy_as_their_module() -> None:
    things = {name: getattr(seewhy, name) for name in seewhy.__all__}
    ours = {
        name: thing.__module__ for name, thing in things.items() if hasattr(thing, "__module__")
    }
    assert {name: module for name, module in ours.items() if module != "seewhy"} == {}
    assert "Explanation" in ours


def test_the_package_tells_type_checkers_that_it_is_typed() -> None:
    assert (SOURCE / "py.typed").is_file()
