"""The tables of settings in the docs, made from the rows: `python -m tests.settings_tables`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from seewhy.datasets import settings as runs
from seewhy.evaluating.settings import EVALUATION
from seewhy.explaining.settings import QUESTION
from seewhy.inside.settings import FEATURES, MAXIMIZE
from seewhy.locating.settings import SEARCH
from seewhy.methods import METHODS
from seewhy.rendering.style import STYLE
from seewhy.reporting import settings as reports
from seewhy.settings import Setting
from seewhy.training.recipe import settings_of_recipes
from tests.places import ROOT

DOCS = ROOT / "docs"


def markdown(rows: Iterable[tuple[str, Setting]], *, first: str) -> str:
    """Return a table: whose setting it is, its name, what it is, its default, its values."""
    lines = [f"| {first}setting | what it is | default | values |"]
    lines.append("|---" * (lines[0].count("|") - 1) + "|")
    for whose, row in rows:
        usual = row.usual or "–"
        words = row.help.replace("|", "\\|")
        lines.append(f"| {whose}`{row.name}` | {words} | {usual} | {row.expected} |")
    return "\n".join(lines)


def table(*rows: Setting) -> str:
    return markdown([("", row) for row in rows], first="")


TABLES = {
    ("asking.md", "options"): markdown(
        [(f"`{one.name}` | ", row) for one in METHODS.values() for row in one.options],
        first="method | ",
    ),
    ("asking.md", "question"): table(*QUESTION),
    ("asking.md", "style"): table(*STYLE),
    ("training.md", "recipe"): table(
        *(row for rows in settings_of_recipes().values() for row in rows)
    ),
    ("locate.md", "search"): table(*SEARCH),
    ("datasets.md", "run"): table(*runs.DATA, *runs.ROWS, *runs.WORK),
    ("report.md", "report"): table(*reports.TRUTH, *reports.WORK),
    ("trust.md", "evaluation"): table(*EVALUATION),
    ("inside.md", "features"): table(*FEATURES),
    ("inside.md", "maximize"): table(*MAXIMIZE),
}
"""By page and mark: the text after the line `<!-- settings: MARK -->`, up to an empty line."""


def parts(page: Path, mark: str) -> tuple[str, str, str]:
    """Return what is before, in and after the table of a page."""
    before, found, rest = page.read_text("utf-8").partition(f"<!-- settings: {mark} -->\n")
    assert found, f"{page} has no mark for the table '{mark}'"
    inside, _, after = rest.partition("\n\n")
    return before + found, inside, after


if __name__ == "__main__":
    for (name, mark), text in TABLES.items():
        before, _, after = parts(DOCS / name, mark)
        (DOCS / name).write_text(f"{before}{text}\n\n{after}", "utf-8")
