"""The built site (`make docs`) needs no other host, and has every page of the docs."""

from __future__ import annotations

import re

import pytest

from tests.places import ROOT

SITE = ROOT / "docs" / "_build" / "html"


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    if not SITE.exists():
        pytest.skip("the site is not built: make docs")


def test_nothing_is_loaded_from_another_host() -> None:
    for page in SITE.rglob("*.html"):
        loaded = re.findall(
            r'<(?:script|link|img|iframe)[^>]*(?:src|href)="(\S+?)"', page.read_text()
        )
        assert not [place for place in loaded if place.startswith(("http", "//"))], page.name


def test_every_page_is_built_and_listed_for_readers() -> None:
    listed = (SITE / "llms.txt").read_text()
    for page in sorted((ROOT / "docs").glob("*.md")):
        assert (SITE / f"{page.stem}.html").exists()
        assert f"({page.stem}.html)" in listed
