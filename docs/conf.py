"""How the site is made of the Markdown of this folder: `make docs`, by Sphinx and MyST."""

import re
from html import escape
from pathlib import Path

from docutils import nodes
from latex2mathml.converter import convert

import seewhy

HERE = Path(__file__).parent
ROOT = HERE.parent
OUTSIDE = {
    "changelog": "CHANGELOG.md",
    "contributing": "CONTRIBUTING.md",
    "security": "SECURITY.md",
}
"""Pages of the site whose text lies beside this folder, where a code host expects it."""
API = {
    "Networks": [
        "load", "models", "Classifier", "check", "CheckResult", "export_with_cam",
        "ExportedNetwork",
    ],
    "Heatmaps": [
        "explain", "compare", "stream", "estimate", "Explanation", "Prediction", "Estimate",
    ],
    "Photos and pictures": ["Photo", "PhotoFailure", "Fit", "Style"],
    "Inside": [
        "filters", "Filters", "feature_maps", "FeatureMaps", "features", "Features", "Similarity",
        "maximize_activation", "strongest",
    ],
    "Boxes": ["locate", "Location", "Locations"],
    "Truth": ["evaluate", "Evaluation"],
    "Data sets": ["batch", "read_run", "export_run"],
    "Reports": ["report", "Report", "compare_networks", "NetworkComparison"],
    "Training": ["train", "Recipe", "TrainingResult"],
}  # fmt: skip
"""The public names by page; `METHODS` and `errors` have pages of their own."""
MODULES = {"targets": "Targets", "callbacks": "While training"}
"""The public modules whose functions have a page of their own."""

project = "seewhy"
author = "The seewhy developers"
project_copyright = "the seewhy developers, MIT licence"
release = seewhy.__version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_design",
    "sphinx_copybutton",
]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 4
exclude_patterns = ["_build", "made/notebooks"]
default_role = "code"
napoleon_use_ivar = True
nitpicky = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"
html_math_renderer = "mathml"
html_theme = "furo"
html_title = f"seewhy {release}"
html_static_path: list[str] = []
html_show_sphinx = False
html_copy_source = False
copybutton_prompt_text = "$ "


def write_pages(app, config) -> None:
    """Write the pages that are made of what lies elsewhere: docstrings, and files of the root."""
    missing = set(seewhy.__all__) - {name for names in API.values() for name in names}
    missing -= {"__version__", "METHODS", "errors", "SeewhyError", "SeewhyWarning", *MODULES}
    if missing:
        raise ValueError(f"docs/conf.py: no page of the API names {', '.join(sorted(missing))}")
    (made := HERE / "made").mkdir(exist_ok=True)
    pages = {title: [f"seewhy.{name}" for name in names] for title, names in API.items()}
    for module, title in MODULES.items():
        pages[title] = [f"seewhy.{module}.{name}" for name in getattr(seewhy, module).__all__]
    for title, names in pages.items():
        path = made / f"{title.lower().replace(' ', '_')}.md"
        path.write_text(f"# {title}\n\n" + "\n".join(map(_entry, names)), "utf-8")
    (made / "errors.md").write_text(
        "# Errors\n\n```{eval-rst}\n.. automodule:: seewhy.errors\n   :members:\n```\n", "utf-8"
    )
    for page, name in OUTSIDE.items():
        (made / f"{page}.md").write_text((ROOT / name).read_text("utf-8"), "utf-8")


def _entry(name: str) -> str:
    value = seewhy
    for part in name.split(".")[1:]:
        value = getattr(value, part)
    kind = "class" if isinstance(value, type) else "function"
    members = "   :members:\n" if kind == "class" else ""
    return f"```{{eval-rst}}\n.. auto{kind}:: {name}\n{members}```\n"


def show_what_ran(app, page: str, source: list[str]) -> None:
    """Show a notebook with what it printed and drew, where `make notebooks` has run it."""
    if page.startswith("notebooks/") and (ran := HERE / "made" / f"{page}.md").is_file():
        pictures = rf"]\(({Path(page).name}-\d+\.jpg)\)"
        source[0] = re.sub(pictures, r"](../made/notebooks/\1)", ran.read_text("utf-8"))


def lead_home(app, page: str, source: list[str]) -> None:
    """Let links to files outside this folder lead to their pages, or be plain text."""
    up, made = ("../", "") if page.startswith("made/") else ("", "made/")
    if page.startswith("notebooks/"):
        up, made = "../", "../made/"
    text = source[0]
    for target, name in OUTSIDE.items():
        text = re.sub(rf"\]\((\.\./)?{name}", f"]({made}{target}.md", text)
    text = re.sub(r"\]\(docs/", f"]({up}", text)
    elsewhere = r"\[([^\]]+)\]\((?:\.\./)?(?:examples|src|tests|benchmarks)[^)]*\)"
    source[0] = re.sub(elsewhere, r"\1", text)


def name_functions(app, what, name, value, options, signature, returned):
    """Show a default that is a function by its name."""
    return signature and (re.sub(r"<function (\w+)>", r"\1", signature), returned)


def keep_bars(app, what, name, value, options, lines: list[str]) -> None:
    """Let |x| in a docstring be an absolute value, which reStructuredText takes for a reference."""
    lines[:] = [line.replace("|", r"\|") for line in lines]


def write_list(app, failure: Exception | None) -> None:
    """Write `llms.txt`: each page with its first paragraph, for programs that read."""
    if failure is not None or app.builder.name != "html":
        return
    lines = ["# seewhy", "", "See why an image network decided what it decided.", ""]
    for page in sorted(app.env.found_docs):
        text = Path(app.env.doc2path(page)).read_text("utf-8")
        paragraphs = [
            part
            for part in text.split("\n\n")[1:]
            if not part.startswith(("#", "`", "<", "!", "|"))
        ]
        first = " ".join(paragraphs[0].split()) if paragraphs else ""
        lines.append(f"- [{app.env.titles[page].astext()}]({page}.html)" + (first and f": {first}"))
    (Path(app.outdir) / "llms.txt").write_text("\n".join(lines) + "\n", "utf-8")


def write_formula(writer, node) -> None:
    """Write a formula as MathML, which browsers draw without a script."""
    display = "block" if node.tagname == "math_block" else "inline"
    formula = convert(node.astext(), display=display)
    writer.body.append(f'<span class="math" title="{escape(node.astext())}">{formula}</span>')
    raise nodes.SkipNode


def setup(app) -> None:
    """Register what is above with Sphinx."""
    app.add_html_math_renderer("mathml", (write_formula, None), (write_formula, None))
    app.connect("config-inited", write_pages)
    app.connect("autodoc-process-signature", name_functions)
    app.connect("autodoc-process-docstring", keep_bars)
    app.connect("source-read", show_what_ran)
    app.connect("source-read", lead_home)
    app.connect("build-finished", write_list)
