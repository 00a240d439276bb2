"""The section of the page about harmless changes: a table, and a photo with each of them."""

from __future__ import annotations

import html
from collections.abc import Mapping

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from seewhy.reporting.accuracy import wilson
from seewhy.reporting.changes import CHANGES
from seewhy.reporting.charts import share_bar
from seewhy.reporting.gallery import Thumbnail, jpeg_bytes
from seewhy.reporting.result import Report
from seewhy.reporting.robustness import ChangeResult, ChangeTest, variants
from seewhy.reporting.sections import section
from seewhy.reporting.tiles import Tiles

LISTED = 3
"""Classes that lost photos are taken for, and that lose most: so many are named in the table."""


def change_section(report: Report, tiles: Tiles) -> str:
    """Say what harmless changes do; nothing where they were not tried."""
    tested = report.changes
    if tested is None or not tested.results:
        return ""
    right = "recognised" if tested.labelled else "given the class that they have without the change"
    rows = _row_before(tested) + "".join(_row(one, tested) for one in tested.results)
    definitions = "".join(
        f"<li><b>{one.change.name}</b>: {html.escape(one.change.definition)}</li>"
        for one in tested.results
    )
    content = (
        f"<p>{len(tested.photos)} photos, drawn evenly from the classes, were shown to the network "
        "again, each with changes that do not change what is in it. A change that costs much shows "
        "what the network relies on, and what it will lose on photos from another camera or "
        f"program. In the table: how many were {right}, with 95% intervals; the loss is compared "
        "photo by photo. Not every change is harmless everywhere: a mirrored letter is another "
        "letter, and a ripe tomato is told by its colour.</p>"
        '<div class="scroll"><table class="changes"><tr><th>photos</th><th colspan="2" '
        'class="text">recognised</th><th class="text">loss</th><th class="text">lost photos are '
        f'taken for</th><th class="text">loses most</th></tr>{rows}</table></div>'
        f"{_example(report, tested, tiles)}"
        f"<details><summary>What is done exactly</summary><ul>{definitions}</ul>"
        "<p>x is the photo at the network's input size. A loss is a finding if it is more than "
        "5 % for sure. A class is named if the share that it loses is larger than the others' by "
        "25 % and Fisher's exact test, corrected for all classes and changes, sees no chance in "
        "it.</p></details>"
    )
    return section("changes", "7 · What harmless changes do", content)


def _row_before(tested: ChangeTest) -> str:
    share = wilson(tested.results[0].before, len(tested.photos))
    return (
        f'<tr><td>as they are</td><td>{share_bar(share)}</td><td class="text">{share.value:.0%}'
        '</td><td colspan="3"></td></tr>'
    )


def _row(result: ChangeResult, tested: ChangeTest) -> str:
    photos = len(tested.photos)
    share = wilson(result.after, photos)
    taken = [
        f"{html.escape(tested.names[index])} {count}" for index, count in result.taken_for[:LISTED]
    ]
    if len(result.taken_for) > LISTED:
        taken.append(f"others {sum(count for _, count in result.taken_for[LISTED:])}")
    classes = [
        f"{html.escape(one.name)}: {one.after} of {one.photos} ({one.before} before)"
        for one in sorted(result.classes, key=lambda each: each.after / each.before)[:LISTED]
    ]
    kind = ' class="finding"' if result.matters else ""
    mean, low, high = (_whole(one) for one in (result.loss.mean, result.loss.low, result.loss.high))
    loss = f"{mean} ({low} to {high})"
    return (
        f"<tr{kind}><td>{result.change.name}</td><td>{share_bar(share)}</td>"
        f'<td class="text">{share.value:.0%}</td><td class="text">{loss}</td>'
        f'<td class="text">{", ".join(taken) or "–"}</td>'
        f'<td class="text">{"; ".join(classes)}</td></tr>'
    )


def _whole(value: float) -> str:
    """Write a share in whole percent: '-3%', and never '-0%'."""
    return f"{round(100 * value)}%"


def _example(report: Report, tested: ChangeTest, tiles: Tiles) -> str:
    """Show the photo that is lost by the changes that are findings, and by no others."""
    losses = np.zeros((2, len(tested.photos)), np.int64)
    for one in tested.results:
        losses[int(one.matters), one.lost] += 1
    apart = losses[1] - losses[0] if losses[1].any() else losses[0]
    number = int(apart.argmax())
    photo = int(tested.photos[number])
    several = variants(report.gallery, photo)
    if several is None:
        return ""
    shown = [_tile("as it is", several[0], int(tested.before[number]), tested.names, tiles)]
    there = {one.change.name: one for one in tested.results}
    for change, pixels in zip(CHANGES, several[1:], strict=True):
        if change.name in there:
            found = int(there[change.name].found[number])
            shown.append(_tile(change.name, pixels, found, tested.names, tiles))
    count = int(losses[:, number].sum())
    lost = f"lost by {count} change{'s' if count > 1 else ''}" if count else "as an example"
    return (
        f"<h3>One photo, {lost}</h3><p>At the network's input size, and what it is taken for: "
        f'{tiles.name(photo)}</p><div class="tiles">{"".join(shown)}</div>'
    )


def _tile(
    name: str, pixels: UInt8[ndarray, "H W 3"], found: int, names: Mapping[int, str], tiles: Tiles
) -> str:
    height, width = pixels.shape[:2]
    picture = Thumbnail(jpeg_bytes(pixels), width, height, (0.0, 0.0, float(width), float(height)))
    return tiles.mean(f"<b>{name}</b><br>{html.escape(names[found])}", picture)
