"""Let the command line load a network that a test has made."""

from __future__ import annotations

import importlib
from collections.abc import Callable

import pytest

import seewhy


def load_this(make: Callable[[], seewhy.Classifier], monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the loader for one test: whatever the name, it answers with what `make` returns."""
    module = importlib.import_module("seewhy.zoo.load")
    monkeypatch.setattr(module, "load", lambda name, **settings: make())
    monkeypatch.setattr(module, "backend_in_use", lambda _: "PyTorch")
