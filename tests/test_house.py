"""The house keeps its walls: who may import whom, what is public, what starts fast."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import seewhy
from seewhy.cli import COMMANDS, build_parser

SOURCE = Path(seewhy.__file__).parent
FRAMEWORKS = {"torch", "tensorflow", "jax", "keras", "torchvision", "timm"}
FACES = {"seewhy.cli", "seewhy.app", "seewhy.batch", "seewhy.commands"}
MODULES = sorted(SOURCE.rglob("*.py"))


def imports(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [node.module]
    return []


def top_level_imports(path: Path) -> list[str]:
    """Imports that run when the module is imported: not in functions, not for type checkers."""
    found: list[str] = []
    pending: list[ast.AST] = [ast.parse(path.read_text("utf-8"))]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        found += imports(node)
        pending += ast.iter_child_nodes(node)
    return found


def all_imports(path: Path) -> list[str]:
    return [name for node in ast.walk(ast.parse(path.read_text("utf-8"))) for name in imports(node)]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_module_outside_the_adapters_imports_a_framework_when_it_is_imported(path: Path) -> None:
    if path.parent.name == "networks":
        return
    roots = {name.split(".")[0] for name in top_level_imports(path)}
    assert not roots & FRAMEWORKS


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_nothing_but_the_faces_imports_the_faces(path: Path) -> None:
    if path.name == "cli.py" or path.parent.name in ("commands", "app"):
        return
    assert not [name for name in all_imports(path) if any(name.startswith(face) for face in FACES)]


@pytest.mark.parametrize(
    "path", sorted((SOURCE / "methods").glob("*.py")), ids=lambda path: path.name
)
def test_methods_know_no_network_and_no_classifier(path: Path) -> None:
    above = ("seewhy.networks", "seewhy.classifier", "seewhy.explaining", "seewhy.zoo")
    assert not [name for name in all_imports(path) if name.startswith(above)]


def test_importing_seewhy_and_asking_for_help_loads_no_framework_and_no_plotting() -> None:
    code = (
        "import sys, seewhy, seewhy.cli; seewhy.cli.build_parser().format_help();"
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
    importlib.import_module("seewhy.explaining")
    importlib.import_module("seewhy.locating")
    assert seewhy.explain.__name__ == "explain"
    assert seewhy.locate.__name__ == "locate"


def test_every_command_is_listed_in_help() -> None:
    text = build_parser().format_help().replace("\n", " \n")
    for command in COMMANDS:
        assert f"    {command.replace('_', '-')} " in text
