"""What the docs say holds: commands parse, methods and names exist, links lead somewhere."""

from __future__ import annotations

import ast
import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest

import seewhy
from seewhy.commands.cli import build_parser
from seewhy.methods import METHODS
from tests.places import ROOT
from tests.settings_tables import TABLES, parts

PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "notebooks").glob("*.md")),
]
SHORT = [path for path in sorted((ROOT / "examples").glob("*.py")) if "targets" not in path.name]
"""The examples of one idea each; those of targets build their own networks."""


def blocks(page: Path, language: str) -> list[str]:
    pattern = rf"^```(?:{language})\n(.*?)^```"
    return re.findall(pattern, page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def commands(page: Path) -> list[str]:
    found = []
    for block in blocks(page, "bash|sh|console"):
        for line in block.replace("\\\n", " ").splitlines():
            words = line.removeprefix("$ ")
            if words.startswith("seewhy "):
                found.append(words)
    return found


@pytest.mark.parametrize(
    ("page", "command"),
    [(page, command) for page in PAGES for command in commands(page)],
    ids=lambda value: value.name if isinstance(value, Path) else value,
)
def test_every_command_in_the_docs_is_one(page: Path, command: str) -> None:
    words = shlex.split(command, comments=True)
    words = words[: words.index(">")] if ">" in words else words
    complaint = io.StringIO()
    with contextlib.redirect_stderr(complaint), contextlib.redirect_stdout(io.StringIO()):
        code: object = 0
        try:
            build_parser().parse_args(words[1:])
        except SystemExit as error:
            code = error.code
    assert code == 0, complaint.getvalue()


@pytest.mark.parametrize(
    ("page", "block"),
    [(page, block) for page in PAGES for block in blocks(page, "python")],
    ids=lambda value: value.name if isinstance(value, Path) else value[:40],
)
def test_python_in_the_docs_compiles_and_names_public_things(page: Path, block: str) -> None:
    for node in ast.walk(ast.parse(block)):
        is_ours = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        if is_ours and node.value.id == "seewhy":
            assert hasattr(seewhy, node.attr), node.attr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_are_there(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text("utf-8")):
        if not target.startswith(("http:", "https:")):
            assert (page.parent / target).exists(), target


def test_every_method_has_its_place_in_the_docs() -> None:
    text = (ROOT / "docs" / "methods.md").read_text("utf-8")
    assert [name for name in METHODS if f"`{name}`" not in text] == []


@pytest.mark.parametrize(("page", "mark"), TABLES)
def test_the_tables_of_settings_are_those_of_the_code(page: str, mark: str) -> None:
    """Where it fails: `python -m tests.settings_tables` rewrites them."""
    assert parts(ROOT / "docs" / page, mark)[1] == TABLES[page, mark]


@pytest.mark.parametrize("example", SHORT, ids=lambda path: path.name)
def test_examples_are_short(example: Path) -> None:
    assert len(example.read_text("utf-8").splitlines()) <= 40
