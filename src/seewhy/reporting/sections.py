"""The sections of the page that say where the network is wrong."""

from __future__ import annotations

import html
import math

import numpy as np

from seewhy.reporting.charts import reliability, share_bar
from seewhy.reporting.confusion import confusion_matrix
from seewhy.reporting.result import Report
from seewhy.reporting.tiles import Tiles

MATRIX = 30
"""Classes of the matrix, at most."""

PAIRS = 12
"""Pairs whose mistakes are shown."""

MISTAKES = 12
"""Mistakes of a pair that are shown."""

LISTED = 24
"""Photos of a list that are shown."""

CLASSES = 20
"""Classes that are shown before the table is folded."""


def section(name: str, title: str, content: str) -> str:
    """Return a section of the page."""
    return f'<section id="{name}"><h2>{html.escape(title)}</h2>\n{content}</section>\n'


def percent(value: float) -> str:
    """Write a probability: '97%', of the extremes '> 99.9%'."""
    if not math.isfinite(value):
        return "no probability"
    if value > 0.999:
        return "> 99.9%"
    return f"{value:.1%}" if value < 0.1 else f"{value:.0%}"


def accuracy_section(report: Report) -> str:
    """Say what was asked, and how often the network is right."""
    facts = "".join(
        f'<tr><td>{html.escape(name)}</td><td class="text">{html.escape(value)}</td></tr>'
        for name, value in report.facts.items()
    )
    content = f'<table class="facts">{facts}</table>'
    if report.accuracy is not None:
        content += (
            f"<h3>Accuracy</h3><p>{report.accuracy.count} of {report.accuracy.of} photos are "
            f"right: {report.accuracy}. Lines are 95% intervals (Wilson's): what accuracy may be "
            "on other photos like these.</p>" + _classes(report)
        )
    if report.calibration is not None:
        content += (
            "<h3>Can its probabilities be trusted?</h3><p>Of answers that are given with 80%, "
            "80% should be right: then the dots are on the broken line. Below it the network is "
            f"too sure. The expected calibration error is {report.calibration.error:.3f} "
            f"({report.calibration.low:.3f} to {report.calibration.high:.3f}).</p>"
            f'<div class="scroll">{reliability(report.calibration)}</div>'
        )
    if report.observations.failures:
        content += _failures(report)
    return section("accuracy", "1 · What was asked, and how often it is right", content)


def _classes(report: Report) -> str:
    head = (
        '<tr><th>class</th><th>photos</th><th colspan="2" class="text">recognised (recall)</th>'
        "<th>of those taken for it, right (precision)</th></tr>"
    )
    rows = [
        f"<tr><td>{html.escape(one.name)}</td><td>{one.recall.of}</td>"
        f'<td>{share_bar(one.recall)}</td><td class="text">{one.recall}</td>'
        f"<td>{one.precision if one.precision.of else 'never found'}</td></tr>"
        for one in report.classes
    ]
    table = f'<div class="scroll"><table>{head}{"".join(rows[:CLASSES])}</table></div>'
    if len(rows) > CLASSES:
        rest = f'<div class="scroll"><table>{head}{"".join(rows[CLASSES:])}</table></div>'
        table += f"<details><summary>{len(rows) - CLASSES} more classes</summary>{rest}</details>"
    return table


def _failures(report: Report) -> str:
    failures = report.observations.failures
    rows = "".join(
        f'<tr><td><code>{html.escape(one.path)}</code></td><td class="text">'
        f"{html.escape(one.reason)}</td></tr>"
        for one in failures[:50]
    )
    more = f"<p>and {len(failures) - 50} more.</p>" if len(failures) > 50 else ""
    table = f'<table class="wrap">{rows}</table>'
    return f"<h3>{len(failures)} photos failed</h3>{table}{more}"


def confusion_section(report: Report) -> str:
    """Say which class is taken for which."""
    if not report.pairs:
        right = "Every labelled photo is right." if report.accuracy else "There are no labels."
        return section("confusion", "2 · What is taken for what", f"<p>{right}</p>")
    names = report.observations.names
    rows = "".join(
        f"<tr><td>{html.escape(names[pair.true])}</td>"
        f'<td class="text">{html.escape(names[pair.found])}</td><td>{pair.count}</td>'
        f"<td>{'–' if math.isnan(pair.expected) else f'{pair.expected:.1f}'}</td>"
        f"<td>{'–' if math.isnan(pair.expected) else f'{pair.excess:+.1f}'}</td></tr>"
        for pair in report.pairs[:PAIRS]
    )
    content = (
        "<p>“Expected” is how many there would be if mistakes fell on classes by their sizes "
        "alone; the excess is what that does not explain.</p>"
        '<div class="scroll"><table><tr><th>is</th><th class="text">taken for</th><th>photos</th>'
        f"<th>expected</th><th>excess</th></tr>{rows}</table></div>"
    )
    if len(report.pairs) > PAIRS:
        content += f'<p class="soft">{len(report.pairs) - PAIRS} more pairs are in report.json.</p>'
    return section("confusion", "2 · What is taken for what", content + _matrix(report))


def _matrix(report: Report) -> str:
    """Return the matrix as buttons that open the photos of a cell."""
    seen = report.observations
    sizes = seen.class_sizes
    classes = sorted({*sizes, *(pair.found for pair in report.pairs)})
    note = ""
    if len(classes) > MATRIX:
        weight = dict.fromkeys(classes, 0)
        for pair in report.pairs:
            weight[pair.true] += pair.count
            weight[pair.found] += pair.count
        classes = sorted(sorted(classes, key=lambda one: -weight[one])[:MATRIX])
        note = f" The {MATRIX} classes that are confused most."
    counts = confusion_matrix(seen.true, seen.found, classes)
    names = [html.escape(seen.names[one]) for one in classes]
    head = "".join(f"<th>{name}</th>" for name in names)
    rows = []
    for row, (true, name) in enumerate(zip(classes, names, strict=True)):
        cells = []
        for column, found in enumerate(classes):
            count = int(counts[row, column])
            share = count / max(sizes.get(true, 0), 1)
            shade = 0 if not count else 1 + int(np.searchsorted([0.05, 0.2, 0.6], share))
            kind = "" if row == column else "wrong "
            title = f"{name} taken for {names[column]}: {count}"
            button = (
                f'<button type="button" data-cell="{true},{found}" title="{title}">{count}</button>'
                if count
                else ""
            )
            cells.append(f'<td class="{kind}s{shade}">{button}</td>')
        rows.append(f"<tr><th>{name}</th>{''.join(cells)}</tr>")
    return (
        f'<h3>Matrix</h3><p class="soft">Rows: what it is. Columns: what it was taken for. A cell '
        f"opens its photos.{note}</p>"
        f'<div class="scroll"><table class="matrix"><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def pairs_section(report: Report, tiles: Tiles) -> str:
    """Show the mistakes of each pair: why found, why true, and what tells the two apart."""
    if not report.pairs:
        return ""
    names = report.observations.names
    content = (
        "<p>Of each mistake: the photo; where the network saw the class that it <b>found</b>; "
        "where it saw the <b>true</b> one; and the difference: red speaks for the found class "
        "against the true one, blue for the true one.</p>"
    )
    for pair in report.pairs[:PAIRS]:
        rows = "".join(_mistake(report, tiles, photo) for photo in pair.photos[:MISTAKES].tolist())
        more = pair.count - min(pair.count, MISTAKES)
        rest = f'<p class="soft">{more} more are in the matrix.</p>' if more else ""
        content += (
            f"<h3>‘{html.escape(names[pair.true])}’ taken for ‘{html.escape(names[pair.found])}’: "
            f'{pair.count}</h3><div class="rows">{rows}</div>{rest}'
        )
    return section("pairs", "3 · Mistakes, pair by pair", content)


def _mistake(report: Report, tiles: Tiles, photo: int) -> str:
    seen = report.observations
    found, true = (html.escape(seen.names[int(one[photo])]) for one in (seen.found, seen.true))
    parts = [
        tiles.photo(photo, tiles.name(photo)),
        tiles.heat(
            photo, f"why <b>{found}</b> {percent(seen.p_found[photo])}", signed=report.signed
        ),
    ]
    if photo in seen.true_maps:
        caption = f"why <b>{true}</b> {percent(seen.p_true[photo])}"
        parts.append(tiles.heat(photo, caption, seen.true_maps[photo], signed=report.signed))
    if photo in seen.contrasts:
        parts.append(tiles.heat(photo, f"{found} − {true}", seen.contrasts[photo], signed=True))
    return f'<div class="mistake four">{"".join(parts)}</div>'


def mistakes_section(report: Report, tiles: Tiles) -> str:
    """Show confident mistakes, and apart from them labels that are likely wrong."""
    if report.accuracy is None:
        return ""
    wrong = _listed(
        report,
        tiles,
        report.mislabelled.tolist(),
        "<h3>Labels that are likely wrong</h3><p>The network is as sure of another class as it is "
        "of that class's own photos, and less sure of the label than it is of the label's own. "
        "Look at them first: each is either a wrong label or a real mistake.</p>",
        "No label is doubtful by this measure.",
    )
    sure = _listed(
        report,
        tiles,
        report.confident.tolist(),
        "<h3>Other mistakes, the surest first</h3>",
        "There are no other mistakes.",
    )
    return section("mistakes", "4 · Doubtful labels, and confident mistakes", wrong + sure)


def _listed(report: Report, tiles: Tiles, photos: list[int], head: str, none: str) -> str:
    if not photos:
        return f"{head}<p>{none}</p>"
    seen = report.observations
    shown = []
    for photo in photos[:LISTED]:
        found, true = (html.escape(seen.names[int(one[photo])]) for one in (seen.found, seen.true))
        caption = (
            f"label <b>{true}</b> {percent(seen.p_true[photo])}, found <b>{found}</b> "
            f"{percent(seen.p_found[photo])}{tiles.name(photo)}"
        )
        shown.append(tiles.heat(photo, caption, signed=report.signed))
    more = len(photos) - len(shown)
    rest = f'<p class="soft">{more} more are in report.json.</p>' if more else ""
    return f'{head}<div class="tiles">{"".join(shown)}</div>{rest}'


def reasons_section(report: Report, tiles: Tiles) -> str:
    """Show right answers whose heat is in the wrong place."""
    if report.accuracy is None:
        return ""
    shown = [
        tiles.heat(
            one.photo, f"{html.escape(one.reason)}{tiles.name(one.photo)}", signed=report.signed
        )
        for one in report.wrong_reasons[:LISTED]
    ]
    content = (
        "<p>The answer is right, but the heat is outside the boxes or masks (where they were "
        "given), in a confirmed shortcut, or at the border. On other photos such answers may be "
        "wrong.</p>"
    )
    more = len(report.wrong_reasons) - len(shown)
    content += f'<div class="tiles">{"".join(shown)}</div>' if shown else "<p>There are none.</p>"
    content += f'<p class="soft">{more} more are in report.json.</p>' if more else ""
    return section("reasons", "5 · Right for a wrong reason", content)
