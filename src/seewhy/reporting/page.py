"""The page: one HTML file that needs no other, with the painter and all pictures inside."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np
from PIL import Image

from seewhy.datasets.asking import read_listed
from seewhy.errors import MissingFramework, PhotoError
from seewhy.evaluating.intervals import Interval
from seewhy.files import Inputs, in_one_direction, write_whole
from seewhy.photos.threads import map_ahead
from seewhy.reporting.comparison import NetworkComparison
from seewhy.reporting.result import Report
from seewhy.reporting.sections import AVERAGED_PHOTOS, SECTIONS, Section
from seewhy.reporting.shelf import jpeg_bytes
from seewhy.reporting.tiles import Tiles

if TYPE_CHECKING:
    from jinja2 import Environment

ASSET_SIDE = 1024
"""The longer side of a photo that is put beside the page."""


def make_page(
    report: Report | NetworkComparison,
    path: Path,
    assets: Path | None,
    *,
    sections: Sequence[Section] = SECTIONS,
) -> bytes:
    """Return the page; with a folder for assets, copy every photo into it first.

    Args:
        report: what it says.
        path: where the page will be, for the addresses of photos.
        assets: the folder of photos, or None.
        sections: of the page.

    Raises:
        MissingFramework: Jinja2 is not installed.
        OutputError: the folder cannot be written.
    """
    pages = templates()
    links = {} if assets is None else write_assets(report, assets, page=path)
    return _filled(pages, report, links, sections)


def templates() -> Environment:
    """Return the templates, which escape all that is put into them.

    Raises:
        MissingFramework: Jinja2 is not installed; names the extra.
    """
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError as error:
        raise MissingFramework(
            "A report's page is made with Jinja2, which is not installed. Install it: "
            "pip install 'seewhy[report]'"
        ) from error
    pages = Environment(
        loader=PackageLoader("seewhy.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    pages.filters |= {
        "percent": percent,
        "array": lambda places: np.array(places[:AVERAGED_PHOTOS], np.int64),
        "whole": lambda value: f"{round(100 * value)}%",  # of a whole number, so never '-0%'
        "interval": _interval,
        "base64": lambda content: base64.b64encode(content).decode(),
        "sha256": lambda text: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode(),
    }
    return pages


def percent(value: float) -> str:
    """Write a probability: '97%', of the extremes '> 99.9%'."""
    if not math.isfinite(value):
        return "no probability"
    if value > 0.999:
        return "> 99.9%"
    return f"{value:.1%}" if value < 0.1 else f"{value:.0%}"


def _interval(value: Interval) -> str:
    return f"{value.mean:.2f} ({value.low:.2f} to {value.high:.2f})"


def _filled(
    pages: Environment,
    report: Report | NetworkComparison,
    links: Mapping[int, str],
    sections: Sequence[Section],
) -> bytes:
    """Return the page: each section by its template, and all of them in the page's own."""
    from markupsafe import Markup

    tiles = Tiles(report.observations, links)
    menu, bodies = {}, {}
    for section in sections:
        data = section.data(report)
        if data is not None:
            menu[section.id] = section.title
            body = pages.get_template(section.template).render(report=report, tiles=tiles, **data)
            bodies[section.id] = Markup(body)
    tiles.keep(report.openable)
    page = pages.get_template("page.html").render(
        report=report,
        menu=menu,
        bodies=bodies,
        tiles=tiles,
        style=Markup(_static("report.css")),
        script=Markup(_script()),
    )
    return in_one_direction(page).encode("utf-8", "backslashreplace")


def _script() -> str:
    """Return what holds the page back, the painter and the page's own module as one module."""
    static = resources.files("seewhy") / "serving" / "static" / "painter.js"
    painter = re.sub(r"^export ", "", static.read_text("utf-8"), flags=re.MULTILINE)
    return f"\n{_static('hold.js')}\n{painter}\n{_static('report.js')}"


def _static(name: str) -> str:
    return (resources.files("seewhy.reporting") / "static" / name).read_text("utf-8")


def write_assets(report: Report | NetworkComparison, folder: Path, *, page: Path) -> dict[int, str]:
    """Write every photo as a JPEG into a folder; return addresses as seen from the page.

    Photos that cannot be read any more have none.

    Raises:
        OptionError: a file in the folder is one of the photos, which are often named like this.
        OutputError: the folder cannot be written.
    """
    gallery = report.gallery
    places = [folder / f"{place:06}.jpg" for place in range(len(gallery.paths))]
    Inputs(gallery.paths).check(*places)
    start = Path(page).absolute().parent

    def write(place: int) -> str | None:
        try:
            image = Image.fromarray(read_listed(gallery.paths[place]).pixels)
        except PhotoError:
            return None
        image.thumbnail((ASSET_SIDE, ASSET_SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
        path = write_whole(places[place], jpeg_bytes(np.asarray(image)))
        whole = path.absolute()
        if whole.is_relative_to(start):
            return quote(whole.relative_to(start).as_posix())
        return whole.as_uri()

    links = map_ahead(write, range(len(gallery.paths)))
    return {place: link for place, link in enumerate(links) if link is not None}
