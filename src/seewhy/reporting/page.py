"""The page: one HTML file that needs no other, with the painter and all pictures inside."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from urllib.parse import quote

import numpy as np
from PIL import Image

from seewhy.errors import PhotoError
from seewhy.files import write_whole
from seewhy.photos.threads import map_ahead
from seewhy.reporting.change_section import change_section
from seewhy.reporting.gallery import jpeg_bytes
from seewhy.reporting.group_sections import (
    appendix_section,
    clusters_section,
    heat_section,
    reading_section,
)
from seewhy.reporting.result import Report
from seewhy.reporting.sections import (
    accuracy_section,
    confusion_section,
    mistakes_section,
    pairs_section,
    reasons_section,
)
from seewhy.reporting.tiles import Tiles

ASSET = 1024
"""The longer side of a photo that is put beside the page."""

LINKS = {
    "accuracy": "Accuracy",
    "confusion": "Confusion",
    "pairs": "Mistakes",
    "mistakes": "Doubtful labels",
    "reasons": "Wrong reasons",
    "clusters": "Clusters and shortcuts",
    "changes": "Harmless changes",
    "heat": "Mean heat",
    "reading": "How to read it",
    "appendix": "Training",
}


def make_page(report: Report, path: Path, assets: Path | None) -> bytes:
    """Return the page; with a folder for assets, copy every photo into it first.

    Args:
        report: what it says.
        path: where the page will be, for the addresses of photos.
        assets: the folder of photos, or None.

    Raises:
        OutputError: the folder cannot be written.
    """
    links = {} if assets is None else write_assets(report, assets, page=path)
    return page_bytes(report, links)


def page_bytes(report: Report, links: Mapping[int, str]) -> bytes:
    """Return the page.

    Args:
        report: what it says.
        links: the address of photos beside the page, by their place.
    """
    tiles = Tiles(report.observations, links)
    sections = [
        accuracy_section(report),
        confusion_section(report),
        pairs_section(report, tiles),
        mistakes_section(report, tiles),
        reasons_section(report, tiles),
        clusters_section(report, tiles),
        change_section(report, tiles),
        heat_section(report, tiles),
        reading_section(report),
        appendix_section(report.appendix) if report.appendix else "",
    ]
    tiles.keep(photo for pair in report.pairs for photo in pair.photos.tolist())
    body = "".join(sections)
    there = set(re.findall(r'<section id="(\w+)">', body))
    menu = "".join(f'<a href="#{name}">{text}</a>' for name, text in LINKS.items() if name in there)
    style, script = _static("report.css"), _script()
    title = html.escape(f"Report on {report.facts['model']}")
    policy = (
        f"default-src 'none'; img-src data:; style-src 'sha256-{_hash(style)}'; "
        f"script-src 'sha256-{_hash(script)}'; base-uri 'none'; form-action 'none'"
    )
    page = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>{style}</style></head>
<body><main>
<h1>{title}</h1>
<p class="soft">{html.escape(report.facts["photos"])}</p>
{_findings(report, there)}
<noscript><p>A script of this page paints the pictures; here it is switched off.</p></noscript>
<nav>{menu}</nav>
{body}</main>
<dialog id="cell"><div class="head"><h2></h2>
<button type="button" class="close">Close</button></div>
<div class="tiles"></div><button type="button" class="more">Show more</button></dialog>
{tiles.blocks(report.gallery)}<script type="module">{script}</script>
</body></html>
"""
    return page.encode("utf-8", "backslashreplace")


def _findings(report: Report, there: set[str]) -> str:
    """Return what is to be known first."""
    items = []
    for one in report.findings:
        link = f' <a href="#{one.section}">more</a>' if one.section in there else ""
        items.append(f'<li class="{one.tone}">{html.escape(one.text)}{link}</li>')
    notes = "".join(f"<li>{html.escape(one)}</li>" for one in report.notes)
    notes = f'<ul class="notes">{notes}</ul>' if notes else ""
    return (
        f'<section class="first"><h2>What this report found</h2><ul class="findings">'
        f"{''.join(items)}</ul>{notes}</section>"
    )


def _script() -> str:
    """Return the painter and the page's own module as one module."""
    static = resources.files("seewhy") / "serving" / "static" / "painter.js"
    painter = re.sub(r"^export ", "", static.read_text("utf-8"), flags=re.MULTILINE)
    return f"\n{painter}\n{_static('report.js')}"


def _static(name: str) -> str:
    return (resources.files("seewhy.reporting") / "static" / name).read_text("utf-8")


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def write_assets(report: Report, folder: Path, *, page: Path) -> dict[int, str]:
    """Write every photo as a JPEG into a folder; return addresses as seen from the page.

    Photos that cannot be read any more have none.

    Raises:
        OutputError: the folder cannot be written.
    """
    gallery = report.gallery
    start = Path(page).absolute().parent

    def write(place: int) -> str | None:
        try:
            image = Image.fromarray(gallery.read(place).pixels)
        except PhotoError:
            return None
        image.thumbnail((ASSET, ASSET), Image.Resampling.LANCZOS, reducing_gap=3.0)
        path = write_whole(folder / f"{place:06}.jpg", jpeg_bytes(np.asarray(image)))
        whole = path.absolute()
        if whole.is_relative_to(start):
            return quote(whole.relative_to(start).as_posix())
        return whole.as_uri()

    found = map_ahead(write, range(len(gallery.paths)))
    return {place: link for place, link in enumerate(found) if link is not None}
