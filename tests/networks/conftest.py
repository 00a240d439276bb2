"""Of the Keras adapters, only the one whose backend runs in this process is collected."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

BACKEND = os.environ.get("KERAS_BACKEND") or "tensorflow"
ADAPTERS = {"tensorflow", "jax", "torch"}

collect_ignore = [f"test_keras_{other}.py" for other in sorted(ADAPTERS - {BACKEND})]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the contract as what runs again on each of Keras's backends."""
    here = Path(__file__).parent
    for item in items:
        if item.path.parent == here and item.path.name == f"test_keras_{BACKEND}.py":
            item.add_marker("backends")
