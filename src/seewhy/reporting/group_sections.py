"""The sections of the page about groups of photos: clusters with their tests, and mean maps."""

from __future__ import annotations

import html

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from seewhy.reporting.heat import hot_region, mean_map, place_of
from seewhy.reporting.result import Appendix, Report, SearchedClass
from seewhy.reporting.sections import section
from seewhy.reporting.shortcuts import Shortcut
from seewhy.reporting.tiles import Tiles

MEMBERS = 8
"""Photos of a cluster that are shown."""

AVERAGED = 60
"""Photos whose mean is shown, at most."""

SHOWN = 20
"""Classes whose clusters are shown; of the others, only suspects are."""

MEANS = 30
"""Classes whose mean maps are shown."""


def clusters_section(report: Report, tiles: Tiles) -> str:
    """Show each class's suspects with their verdicts, and how else its photos fall apart."""
    if not report.searched:
        none = (
            "<p>No class was searched: each has fewer than 30 photos, or scikit-learn is not "
            "installed (pip install 'seewhy[report]').</p>"
        )
        return section("clusters", "6 · Clusters, and the test for shortcuts", none)
    content = (
        "<p>Photos that were taken for a class are grouped by where the heat is, by what is under "
        "it, and by their colours. A small group that stands apart is a suspect, and is tested: "
        "its hot region is covered with the photo's mean colour, in its photos, in other photos of "
        "the class, and where other photos are hot. It is <b>confirmed</b> if only the first makes "
        "the network give up its answer. Then ask: is what is there a part of the thing, or only "
        "beside it?</p>"
    )
    for number, searched in enumerate(report.searched):
        name = html.escape(report.observations.names[searched.index])
        parts = [_suspect(report, tiles, searched, one) for one in searched.shortcuts]
        if number < SHOWN:
            parts += [_part(report, tiles, searched, one) for one in _by_size(searched.parts)]
        if parts:
            content += f"<h3>{name}: {len(searched.photos)} photos</h3>{''.join(parts)}"
    return section("clusters", "6 · Clusters, and the test for shortcuts", content)


def _by_size(parts: Int[ndarray, " n"]) -> list[int]:
    groups, counts = np.unique(parts, return_counts=True)
    return [int(one) for one in groups[np.argsort(-counts, kind="stable")]]


def _suspect(report: Report, tiles: Tiles, searched: SearchedClass, shortcut: Shortcut) -> str:
    photos = searched.photos[shortcut.suspect.members]
    kind = "confirmed" if shortcut.verdict == "confirmed" else "other"
    head = (
        f"<h4>Suspect: {html.escape(shortcut.place)} "
        f'<span class="verdict {kind}">{shortcut.verdict}</span></h4>'
        f"<p>{html.escape(shortcut.sentence)}</p>{_numbers(shortcut)}"
    )
    return f'<div class="cluster">{head}{_pictures(report, tiles, searched, photos)}</div>'


def _numbers(shortcut: Shortcut) -> str:
    """Return the numbers of the tests."""
    rows = []
    for trial in shortcut.trials:
        covered = {"cover": "covered", "swap": "replaced", "recolour": "recoloured"}[trial.kind]
        rows.append(("its photos", covered, trial.members))
        rows.append(("other photos of the class", covered, trial.matched))
        if trial.shuffled is not None:
            rows.append(("its photos", f"{covered} where others are hot", trial.shuffled))
    body = "".join(
        f'<tr><td>{what}</td><td class="text">{done}</td><td>{one.photos}</td><td>{one.before}</td>'
        f"<td>{one.after}</td><td>{one.drop.mean:.2f} ({one.drop.low:.2f} to {one.drop.high:.2f})"
        "</td></tr>"
        for what, done, one in rows
    )
    if not rows:
        return ""
    return (
        '<div class="scroll"><table><tr><th>photos</th><th class="text">treated</th><th>tested</th>'
        "<th>right before</th><th>after</th><th>drop of the probability</th></tr>"
        f"{body}</table></div>"
    )


def _part(report: Report, tiles: Tiles, searched: SearchedClass, part: int) -> str:
    photos = searched.photos[searched.parts == part]
    seen = report.observations
    share = len(photos) / len(searched.photos)
    place = place_of(hot_region(mean_map(seen.maps[photos])))
    right = ""
    labelled = photos[seen.labelled[photos]]
    if len(labelled):
        right = f"; {seen.correct[labelled].mean():.0%} right"
    head = f"<h4>{place}: {len(photos)} photos, {share:.0%} of the class{right}</h4>"
    return f'<div class="cluster">{head}{_pictures(report, tiles, searched, photos)}</div>'


def _pictures(
    report: Report, tiles: Tiles, searched: SearchedClass, photos: Int[ndarray, " n"]
) -> str:
    """Return the mean map, the mean photo, and the members that are most like the mean."""
    seen = report.observations
    mean = mean_map(seen.maps[photos])
    picture = report.gallery.mean(photos[:AVERAGED])
    flat = seen.maps[photos].reshape(len(photos), -1)
    lengths = np.linalg.norm(flat, axis=1)
    likeness = flat @ mean.ravel() / np.where(lengths > 0, lengths, 1)
    typical = photos[np.argsort(-likeness, kind="stable")][:MEMBERS]
    name = html.escape(seen.names[searched.index])
    shown = [
        tiles.mean(f"<b>mean map</b> for {name}", picture, mean),
        tiles.mean(f"<b>mean photo</b> of {min(len(photos), AVERAGED)}", picture),
    ]
    for photo in typical.tolist():
        wrong = (
            ""
            if not seen.mistakes[photo]
            else (f"is <b>{html.escape(seen.names[int(seen.true[photo])])}</b>")
        )
        shown.append(tiles.heat(photo, wrong + tiles.name(photo), signed=report.signed))
    return f'<div class="tiles">{"".join(shown)}</div>'


def heat_section(report: Report, tiles: Tiles) -> str:
    """Show the mean map over all photos and of each class, with alarms."""
    seen = report.observations
    shown = [
        tiles.mean(
            f"<b>all {len(seen)} photos</b><br>{_place(report.heat.alarm, report.heat.border)}",
            None,
            report.heat.map,
        )
    ]
    ordered = sorted(
        report.class_heat.items(), key=lambda item: (not item[1].alarm, -item[1].photos)
    )
    for index, one in ordered[:MEANS]:
        photos = np.flatnonzero(seen.found == index)
        name = html.escape(seen.names[index])
        caption = f"<b>{name}</b>, {one.photos} photos<br>{_place(one.alarm, one.border)}"
        shown.append(tiles.mean(caption, report.gallery.mean(photos[:AVERAGED]), one.map))
    content = (
        "<p>Where the heat is on average, over the mean photo. Heat in the border ring of many "
        "photos, or always in the same cell, is seldom the thing itself: look for frames, "
        "captions, watermarks, and for the network's own padding.</p>"
        f'<div class="tiles">{"".join(shown)}</div>'
    )
    return section("heat", "8 · Where the heat is on average", content)


def _place(alarm: str, border: float) -> str:
    if alarm:
        return html.escape(alarm)
    return "no heat" if np.isnan(border) else f"{border:.0%} at the border"


def reading_section(report: Report) -> str:
    """Say how to read the page, and what it cannot show."""
    return section(
        "reading",
        "9 · How to read it, and what it cannot show",
        f"""<p>Heat is where the network's last map speaks for a class, by the method named above.
Each map is scaled by its own peak, so a faint one looks like a strong one. It is coarse: a cell
covers a patch of the photo, and the network sees beyond it.</p>
<p>A verdict “confirmed” says that the network depends on a region, and that photos of other groups
do not. Whether the region is part of the thing is for you to judge. A shortcut that is everywhere
in a class is not found by covering; of those that have no place, the harmless changes show
sharpness, colour, light, compression and stretching. Groups of fewer than {20} photos are listed,
not tested, and what no group of photos shares is not found at all.</p>
<p>A photo in the list of doubtful labels is a question, not a verdict. Intervals are for other
photos of the same kind: if the photos share a source, a camera or a video, the truth is wider.</p>
""",
    )


def appendix_section(appendix: Appendix) -> str:
    """Return what the page ends with."""
    import base64

    figures = "".join(
        f'<figure><img alt="{html.escape(caption)}" src="data:image/png;base64,'
        f'{base64.b64encode(picture).decode()}"><figcaption>{html.escape(caption)}</figcaption>'
        "</figure>"
        for caption, picture in appendix.pictures.items()
    )
    rows = "".join(
        f'<tr><td>{html.escape(name)}</td><td class="text">{html.escape(value)}</td></tr>'
        for name, value in appendix.facts.items()
    )
    items = "".join(f"<li><code>{html.escape(one)}</code></li>" for one in appendix.items)
    listed = f"<h3>Left out</h3><ul>{items}</ul>" if items else ""
    table = f'<table class="facts">{rows}</table>'
    return section("appendix", f"10 · {appendix.title}", figures + table + listed)
