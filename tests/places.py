"""Where the tests find the project's own files, and the material that only some machines have."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
DOCS = ROOT / "docs"
DATA = Path(os.environ.get("SEEWHY_TEST_DATA") or ROOT / "no-test-data").resolve()
"""Real photos and networks, in the folder that SEEWHY_TEST_DATA names (CONTRIBUTING.md): tests that
need them skip without it."""

NO_DATA = "SEEWHY_TEST_DATA names no folder with this file"
