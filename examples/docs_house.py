"""Draw the rooms of seewhy, each above what it imports, with its lines: docs/images/house.png"""

from __future__ import annotations

import ast
from pathlib import Path

from matplotlib.figure import Figure

import seewhy

source = Path(seewhy.__file__).parent
uses: dict[str, set[str]] = {}
lines: dict[str, int] = {}
for path in source.rglob("*.py"):
    parts = path.relative_to(source).with_suffix("").parts
    room = "seewhy" if parts[0] == "__init__" else parts[0]
    text = path.read_text("utf-8")
    lines[room] = lines.get(room, 0) + len(text.splitlines())
    for node in ast.walk(ast.parse(text)):
        module = getattr(node, "module", None) or ""
        if isinstance(node, ast.ImportFrom) and module.startswith("seewhy."):
            uses.setdefault(room, set()).update({module.split(".")[1]} - {room})


def floor(room: str) -> int:
    return 1 + max((floor(other) for other in uses.get(room, ())), default=0)


floors = {room: floor(room) for room in lines if room != "__main__"}
axes = (figure := Figure(figsize=(11, 0.7 * max(floors.values())))).subplots()
axes.set(xlim=(0, 1), ylim=(0.4, max(floors.values()) + 0.6))
axes.axis("off")
for level in sorted(set(floors.values())):
    here = sorted(room for room in floors if floors[room] == level)
    for place, room in enumerate(here):
        x = 0.5 + (place - (len(here) - 1) / 2) / 6.5
        look = {"boxstyle": "round", "facecolor": "#eef3fa", "edgecolor": "#778899"}
        axes.text(x, level, f"{room}\n{lines[room]:,}", ha="center", va="center", bbox=look)
figure.savefig(Path(__file__).parents[1] / "docs" / "images" / "house.png", dpi=110)
