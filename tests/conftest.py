"""Shapes in annotations are checked while the tests run."""

from __future__ import annotations

import os

import pytest
from jaxtyping import install_import_hook

import tests.checker  # the hook asks for it by name
from tests.browser import browser as browser  # a fixture of all rooms

assert tests.checker.check
install_import_hook("seewhy", "tests.checker.check")


def pytest_configure() -> None:
    """Draw the fuzz's fresh seed once: all processes of a run have the same."""
    os.environ.setdefault("SEEWHY_FUZZ_FRESH", str(int.from_bytes(os.urandom(4), "little")))


def pytest_report_header() -> str:
    """Print it, so that SEEWHY_FUZZ_SEED can repeat it whatever happens."""
    given = os.environ.get("SEEWHY_FUZZ_SEED")
    return f"fuzz: seed {given or '7, and ' + os.environ['SEEWHY_FUZZ_FRESH']}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse names that differ from process to process: pytest-xdist compares them."""
    changing = [item.nodeid for item in items if " at 0x" in item.nodeid]
    if changing:
        raise pytest.UsageError(f"Give these tests ids of their own: {', '.join(changing[:5])}")
