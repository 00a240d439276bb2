"""What each extra costs: packages, megabytes, and the seconds until the first heatmap.

    python benchmarks/extras.py [EXTRA ...]          # needs `build`, and a package index

Builds the wheel and the sdist, installs the wheel with each extra into an empty environment of its
own, and prints a Markdown table. The wheel of the first line is installed from the sdist. Seconds
are processor time of the second run, when Python has compiled its files: of `import seewhy`, and of
the command that explains the sample photo, by a gradient where the extra is a framework.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
GRADIENT = ["--method", "grad-cam"]
TINY = """from torch import nn

def build():
    maps = nn.Conv2d(3, 8, 3, 2), nn.ReLU()
    return nn.Sequential(*maps, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))
"""
EXTRAS = {
    "": [],
    "imagenet": ["--model", "efficientnet-lite0"],
    "analysis": [],
    "serve": [],
    "data": [],
    "report": [],
    "formats": [],
    "onnx": [],
    "tflite": [],
    "ray": [],
    "torch": [*GRADIENT, "--model", "python:tiny:build?size=64&preprocess=unit"],
    "jax": GRADIENT,
    "tensorflow-cpu": GRADIENT,
    "tensorflow": GRADIENT,
}
"""What is added to `seewhy explain --sample`, by extra."""


def seconds(command: list[str], **options: object) -> float:
    """Return the processor time of a command's second run."""
    spent = 0.0
    for _ in range(2):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, capture_output=True, **options)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent


def measure(extra: str, archive: Path, folder: Path) -> str:
    """Install one extra, and return its row of the table."""
    venv.create(folder, with_pip=True)
    python = str(folder / "bin/python")
    pip = [python, "-m", "pip", "--disable-pip-version-check", "-q"]
    bare = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    wanted = f"seewhy[{extra}] @ {archive.as_uri()}" if extra else str(archive)
    command = [*pip, "install", "-c", str(ROOT / "constraints.txt"), wanted]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    subprocess.run([*pip[:3], "check"], check=True, stdout=subprocess.DEVNULL)
    listed = json.loads(subprocess.check_output([*pip[:3], "list", "--format=json"]))
    packages = len([row for row in listed if row["name"] not in ("pip", "setuptools")])
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) - bare
    (folder / "tiny.py").write_text(TINY)
    backend = {"KERAS_BACKEND": "jax" if extra == "jax" else "tensorflow"}
    there = {"cwd": folder, "env": os.environ | backend | {"PYTHONPATH": str(folder)}}
    imported = seconds([python, "-c", "import seewhy"], **there)
    command = [str(folder / "bin/seewhy"), "explain", "--sample", *EXTRAS[extra]]
    heatmap = seconds(command, **there)
    name = f"`seewhy[{extra}]`" if extra else "`seewhy`"
    return f"| {name} | {packages} | {size / 1e6:.0f} | {imported:.2f} | {heatmap:.1f} |"


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        subprocess.run(
            [sys.executable, "-m", "build", "-q", "--outdir", str(work), str(ROOT)], check=True
        )
        (wheel,), (sdist,) = work.glob("*.whl"), work.glob("*.tar.gz")
        print("| extra | packages | MB | `import seewhy`, s | first heatmap, s |")
        print("|---|---|---|---|---|")
        for extra in sys.argv[1:] or EXTRAS:
            row = measure(extra, wheel if extra else sdist, work / f"of-{extra or 'none'}")
            print(row, flush=True)


if __name__ == "__main__":
    main()
