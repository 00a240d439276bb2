"""Run the notebooks of docs/notebooks, and write them with what they print and show.

    python docs/run_notebooks.py [NAME ...] [--out docs/made/notebooks]

A notebook is Markdown with cells of Python (jupytext's format `markdown`: Jupyter opens it). Each
runs in an empty folder of its own; what a cell prints, and the value of its last expression with
its pictures, follows the cell. `make docs` shows these pages where they are made, else the bare
ones.
"""

from __future__ import annotations

import argparse
import ast
import base64
import contextlib
import io
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

HERE = Path(__file__).parent / "notebooks"
CELL = re.compile(r"^```python\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
PICTURE = re.compile(r'src="data:image/png;base64,([^"]+)"')
WIDEST = 1200
"""Pixels of a picture's width, at most."""


def run_cell(code: str, names: dict[str, Any], where: str) -> tuple[str, Any]:
    """Run one cell; return what it printed, and the value of its last expression."""
    tree = ast.parse(code)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, where, "exec"), names)
        value = last and eval(compile(ast.Expression(last.value), where, "eval"), names)
    return printed.getvalue(), value


def pictures_of(value: Any) -> Iterator[Image.Image]:
    """The pictures by which a result shows itself in a notebook."""
    shown = value._repr_html_() if hasattr(value, "_repr_html_") else ""
    for encoded in PICTURE.findall(shown):
        picture = Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB")
        picture.thumbnail((WIDEST, 10 * WIDEST))
        yield picture


def run(notebook: Path, out: Path | None = None) -> str:
    """Run a notebook in the current folder.

    Args:
        out: where its pictures go; None: nowhere.

    Returns:
        Its text, with what each cell printed and showed.
    """
    names: dict[str, Any] = {"__name__": "notebook"}
    count = 0

    def cell_with_output(match: re.Match[str]) -> str:
        nonlocal count
        printed, value = run_cell(match[1], names, notebook.name)
        text = printed + ("" if value is None else repr(value))
        shown = [match[0]] + ([f"```text\n{text.rstrip()}\n```\n"] if text.strip() else [])
        for picture in pictures_of(value) if out else ():
            count += 1
            picture.save(out / f"{notebook.stem}-{count}.jpg", quality=80)
            shown.append(f"![What the cell shows]({notebook.stem}-{count}.jpg)\n")
        return "\n".join(shown)

    return CELL.sub(cell_with_output, notebook.read_text("utf-8"))


def main() -> None:
    """Run those that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    every = [path.stem for path in sorted(HERE.glob("*.md"))]
    parser.add_argument("names", nargs="*", default=every)
    parser.add_argument("--out", type=Path, default=HERE.parent / "made" / "notebooks")
    arguments = parser.parse_args()
    (out := arguments.out.resolve()).mkdir(parents=True, exist_ok=True)
    for name in arguments.names:
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            (out / f"{name}.md").write_text(run(HERE / f"{name}.md", out), "utf-8")


if __name__ == "__main__":
    main()
