"""Shapes in annotations are checked while the tests run."""

from __future__ import annotations

import pytest
from jaxtyping import install_import_hook

import tests.checker  # the hook asks for it by name
from tests.browser import browser as browser  # a fixture of all rooms

assert tests.checker.check
install_import_hook("seewhy", "tests.checker.check")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse names that differ from process to process: pytest-xdist compares them."""
    changing = [item.nodeid for item in items if " at 0x" in item.nodeid]
    if changing:
        raise pytest.UsageError(f"Give these tests ids of their own: {', '.join(changing[:5])}")
