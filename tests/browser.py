"""A real browser, one per process of tests: Playwright's loop runs once."""

from __future__ import annotations

import os
import shutil

import pytest

NO_BROWSER = "there is no chromium here: apt-get install chromium"

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
"""Every foreign host is unresolvable: what works, works offline."""


def chromium() -> str:
    """Return the program; skip the test where there is none, or fail it where there must be one."""
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next((path for name in names if (path := shutil.which(name))), None)
    if program is None:
        if os.environ.get("CI"):
            pytest.fail(NO_BROWSER)
        pytest.skip(NO_BROWSER)
    return program


@pytest.fixture(scope="session")
def browser():
    from playwright.sync_api import sync_playwright

    program = chromium()
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield launched
        launched.close()
