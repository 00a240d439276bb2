"""The page: whole in one file, safe whatever a name contains, and painted in a real browser."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import seewhy
from seewhy.errors import MissingFramework, OptionError
from seewhy.files import shared_folder
from seewhy.reporting.page import make_page
from seewhy.reporting.result import Appendix
from seewhy.reporting.sections import SECTIONS
from seewhy.reporting.tiles import short_names
from tests.reporting.made import cheating_classifier, draw, make_photos

EVIL = "</script><img src=x onerror=alert(1)> & \"quoted\" 'too'.png"


def page_of(report: seewhy.Report) -> bytes:
    return make_page(report, Path("report.html"), None)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> seewhy.Report:
    root, _ = make_photos(tmp_path_factory.mktemp("made") / "photos", each=130, tags=24)
    generator = np.random.default_rng(9)
    for name in (EVIL.replace("/", "∕"), "plain.png"):
        Image.fromarray(draw("cold", generator, value=255)).save(root / "warm" / name)
    (root / "cold" / "bad <i>.png").write_bytes(b"not a photo")
    return seewhy.report(root, cheating_classifier())


@pytest.fixture(scope="module")
def saved(found: seewhy.Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    page, numbers = found.save(folder / "report.html", assets=folder / "photos here")
    assert (page.name, numbers.name) == ("report.html", "report.json")
    return page


def test_sections_are_in_the_order_of_a_reader(saved: Path) -> None:
    text = saved.read_text("utf-8")
    assert re.findall(r"<h2>([^<]+)</h2>", text) == [
        "What this report found",
        "1 · How often it is right",
        "2 · What is taken for what",
        "3 · Mistakes, pair by pair",
        "4 · Doubtful labels, and the surest mistakes",
        "5 · Right, with the heat in the wrong place",
        "6 · Groups that stand apart, and shortcuts",
        "7 · What harmless changes do",
        "8 · Where the heat is on average",
        "9 · How to read this page",
    ]


def test_numbers_and_menu_follow_from_the_sections_that_are_there(found: seewhy.Report) -> None:
    text = page_of(replace(found, pairs=(), changes=None)).decode()
    headings = re.findall(r"<section id=\"(\w+)\"><h2>(\d+) · ([^<]+)</h2>", text)
    (menu,) = re.findall(r"<nav>(.*?)</nav>", text)
    assert re.findall(r'<a href="#(\w+)">([^<]+)</a>', menu) == [
        (name, title) for name, _, title in headings
    ]
    assert [int(number) for _, number, _ in headings] == list(range(1, 8))


def test_findings_point_to_sections_of_the_table(found: seewhy.Report) -> None:
    assert {one.section for one in found.findings} <= {one.id for one in SECTIONS}


def test_the_mean_photo_of_a_suspect_is_in_the_headline(found: seewhy.Report) -> None:
    (finding,) = (one for one in found.findings if one.section == "shortcuts")
    assert len(finding.photos) == 24
    text = page_of(found).decode()
    (first,) = re.findall(r'<ul class="findings">(.*?)</ul>', text, re.DOTALL)
    (item,) = re.findall(r'<li class="bad pictured">(.*?)</li>', first, re.DOTALL)
    number = int(re.findall(r'data-tile="(\d+)"', item)[0])
    (data,) = re.findall(r'id="data">(.*?)</script>', text)
    key, _, _ = json.loads(data)["tiles"][number]
    jpeg = base64.b64decode(json.loads(data)["photos"][key]["jpeg"])
    with Image.open(io.BytesIO(jpeg)) as image:
        tag = np.asarray(image.convert("RGB"))[-12:, :12]
    assert tag.reshape(-1, 3).mean(axis=0).tolist() == pytest.approx([0, 0, 255], abs=25)


def test_without_jinja_the_extra_is_named(
    found: seewhy.Report, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingFramework) as caught:
        found.save(tmp_path / "report.html")
    assert str(caught.value) == (
        "A report's page is made with Jinja2, which is not installed. Install it: pip install "
        "'seewhy[report]'"
    )
    assert list(tmp_path.iterdir()) == []


def test_the_policy_allows_the_pages_own_script_and_style_and_nothing_else(saved: Path) -> None:
    text = saved.read_text("utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy
    for kind, pattern in (
        ("script", r'<script type="module">(.*?)</script>'),
        ("style", r"<style>(.*?)</style>"),
    ):
        (content,) = re.findall(pattern, text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy[1]
    assert policy[1].startswith("default-src 'none'; img-src data:;")
    assert "http:" not in text
    assert "https:" not in text
    attributes: set[str] = set()
    reader = HTMLParser()
    reader.handle_starttag = lambda tag, given: attributes.update(name for name, _ in given)  # type: ignore[method-assign]
    reader.feed(text)
    assert not [one for one in attributes if one == "style" or one.startswith("on")]


def test_names_are_escaped_everywhere(saved: Path) -> None:
    text = saved.read_text("utf-8")
    assert "<img src=x" not in text
    assert "bad &lt;i&gt;.png" in text
    assert "&lt;img src=x onerror=alert(1)&gt;" in text


def test_numbers_are_json_without_nan(saved: Path, found: seewhy.Report) -> None:
    content = json.loads(
        saved.with_suffix(".json").read_text("utf-8"), parse_constant=lambda word: pytest.fail(word)
    )
    assert content["schema"] == 1
    assert content["accuracy"]["of"] == 262
    assert content["findings"] == [one.text for one in found.findings]
    (shortcut,) = (one for one in content["shortcuts"] if one["verdict"] == "confirmed")
    assert shortcut["class"] == "warm"
    assert len(shortcut["photos"]) == 24
    assert shortcut["trials"][0]["confirmed"] is True
    assert shortcut["pasted"][0]["turned"] > 90
    assert shortcut["pasted"][0]["turned_by_others"] == 0
    assert content["failed"][0]["kind"] == "unreadable"


def test_a_browser_paints_it_from_the_disk_and_asks_for_nothing(
    saved: Path,
    browser,
) -> None:
    page = browser.new_page()
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(saved.as_uri())
    page.wait_for_selector("html[data-painted=yes]", state="attached")
    colours = page.eval_on_selector_all(
        "canvas[data-tile]",
        """all => all.map(one => {
            const {data} = one.getContext('2d').getImageData(0, 0, one.width, one.height);
            return new Set(new Uint32Array(data.buffer)).size;
        })""",
    )
    assert len(colours) > 30
    assert min(colours) > 1
    page.click("button[title='warm taken for cold: 2']")
    page.wait_for_selector("dialog[open] figure:nth-of-type(2)")
    names = page.locator("dialog .name").all_inner_texts()
    assert sorted(names) == sorted(["warm/plain.png", f"warm/{EVIL.replace('/', '∕')}"])
    assert page.locator("dialog h2").inner_text() == "warm taken for cold: 2"
    link = page.locator("dialog a").first.get_attribute("href")
    assert (saved.parent / link.replace("%20", " ")).is_file()
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= page.viewport_size["width"]
    page.set_viewport_size({"width": 360, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert [one for one in asked if not one.startswith("data:")] == [saved.as_uri()]
    assert said == []
    page.close()


def test_assets_are_every_photo(saved: Path, found: seewhy.Report) -> None:
    files = sorted((saved.parent / "photos here").iterdir())
    assert len(files) == len(found.observations) == 262
    with Image.open(files[0]) as image:
        assert (image.format, image.size) == ("JPEG", (16, 16))


def test_assets_and_pages_overwrite_none_of_the_photos(
    found: seewhy.Report, tmp_path: Path
) -> None:
    from seewhy.reporting.gallery import Gallery

    photo = tmp_path / "000000.jpg"
    Image.new("RGB", (8, 8), "red").save(photo)
    before = photo.read_bytes()
    paths = [*found.gallery.paths[:-1], str(photo)]
    named = replace(found, gallery=Gallery(paths, found.gallery.fit))
    for path, assets in ((tmp_path / "a.html", tmp_path), (photo, None)):
        with pytest.raises(OptionError, match=r"000000\.jpg is one of the photos, and the result"):
            named.save(path, assets=assets)
    assert photo.read_bytes() == before
    assert sorted(one.name for one in tmp_path.iterdir()) == ["000000.jpg"]


def test_photos_that_are_gone_leave_heat_alone(found: seewhy.Report, tmp_path: Path) -> None:
    from seewhy.reporting.gallery import Gallery

    gone = Gallery([f"{path}-gone" for path in found.gallery.paths], found.gallery.fit)
    (page, _) = replace(found, gallery=gone).save(tmp_path / "a.html")
    (data,) = re.findall(r'id="data">(.*?)</script>', page.read_text("utf-8"))
    assert json.loads(data)["photos"] == {}


def test_an_appendix_is_at_the_end(found: seewhy.Report) -> None:
    appendix = Appendix({"a curve": b"png"}, {"rate": "<1>"}, ("left & out",))
    text = page_of(replace(found, appendix=appendix)).decode()
    last = text[text.index("10 · How it was trained") :]
    assert f"data:image/png;base64,{base64.b64encode(b'png').decode()}" in last
    assert "&lt;1&gt;" in last
    assert "left &amp; out" in last


def test_names_are_short() -> None:
    assert short_names(["/a/b/cat/1.jpg", "/a/b/cow/1.jpg"]) == ["cat/1.jpg", "cow/1.jpg"]
    assert short_names(["/a/cat/1.jpg", "/a/cats/1.jpg"]) == ["cat/1.jpg", "cats/1.jpg"]
    assert short_names(["s3://bucket/x/1.jpg"]) == ["1.jpg"]
    assert shared_folder(["/a/1.jpg"]) == "/a/"
    assert short_names([]) == []
    assert short_names(["/a/\udcff.jpg"]) == ["?.jpg"]
