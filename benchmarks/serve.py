"""What the page adds: from the drop of a photo to its first heatmap, beside `seewhy.explain`.

    python benchmarks/serve.py
    python benchmarks/serve.py --model resnet50 --size 1600x1200 --rounds 40

`seewhy serve` runs in a process of its own, and headless Chromium shows its page. Each round makes
a new photo, and both take turns in one run: the page gets the file dropped on it, and this process
reads the same bytes, explains the best class and paints the heatmap over the photo. The ratio is of
the medians. Needs `pip install 'seewhy[serve]' playwright` and a chromium.
"""

from __future__ import annotations

import argparse
import io
import shutil
import statistics
import subprocess
import sys
import time
from typing import Any

import numpy as np
from PIL import Image

import seewhy

GOAL = 2.0
"""Times the time of `seewhy.explain`, at most."""

WARM = 4
"""Rounds that do not count."""

DROP = """([bytes, name]) => {
  delete document.documentElement.dataset.first;
  document.getElementById('trust').replaceChildren();
  const carried = new DataTransfer();
  carried.items.add(new File([Uint8Array.from(bytes)], name, {type: 'image/jpeg'}));
  dispatchEvent(new DragEvent('drop', {dataTransfer: carried, cancelable: true}));
}"""


def made_photo(generator: np.random.Generator, width: int, height: int) -> bytes:
    """Return a photo's file: soft shapes and some grain, as JPEG."""
    coarse = generator.integers(0, 256, (8, 10, 3), np.uint8)
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    grain = generator.normal(0, 6, (height, width, 3))
    file = io.BytesIO()
    Image.fromarray((np.asarray(image) + grain).clip(0, 255).astype(np.uint8)).save(
        file, "JPEG", quality=90
    )
    return file.getvalue()


def explained(classifier: Any, content: bytes) -> float:
    """Return the seconds that reading, explaining and painting take in Python."""
    began = time.perf_counter()
    seewhy.explain(classifier, Image.open(io.BytesIO(content)), top=1).overlays()
    return time.perf_counter() - began


def shown(page: Any, content: bytes, name: str) -> float:
    """Drop a file; return the seconds until its first heatmap is painted."""
    page.evaluate(DROP, [list(content), name])
    page.wait_for_selector("html[data-first]", timeout=60_000)
    return float(page.get_attribute("html", "data-first")) / 1000


def main() -> None:
    """Print medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="built-in")
    parser.add_argument("--size", default="320x240", help="of the photos, WIDTHxHEIGHT (320x240)")
    parser.add_argument("--rounds", type=int, default=30)
    arguments = parser.parse_args()
    width, height = (int(side) for side in arguments.size.split("x"))
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))))
    command = ["-m", "seewhy", "serve", "--port", "0", "--model", arguments.model]
    server = subprocess.Popen([sys.executable, *command], stderr=subprocess.PIPE, text=True)
    try:
        address = next(line.split()[1] for line in server.stderr or () if line.startswith("Open"))
        classifier = seewhy.load(arguments.model)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=program, args=["--no-sandbox", "--disable-gpu"]
            )
            page = browser.new_page(viewport={"width": 1280, "height": 860})
            page.goto(address)
            page.wait_for_selector("html[data-ready]", timeout=60_000)
            compare(page, classifier, arguments.rounds, width, height)
            browser.close()
    finally:
        server.terminate()
        server.wait(20)


def compare(page: Any, classifier: Any, rounds: int, width: int, height: int) -> None:
    """Let both take turns, and print what they took."""
    generator = np.random.default_rng(0)
    direct, there = [], []
    for number in range(-WARM, rounds):
        content = made_photo(generator, width, height)
        one = explained(classifier, content)
        other = shown(page, content, f"{number}.jpg")
        # What the page does after the heatmap (trust, receptive field) is no part of it.
        page.wait_for_selector("#trust .badge, #trust button", timeout=60_000)
        page.wait_for_timeout(200)
        if number >= 0:
            direct.append(one)
            there.append(other)
    base, page_took = statistics.median(direct), statistics.median(there)
    print(f"photos of {width} × {height}, medians of {rounds} rounds")
    print(f"  seewhy.explain          {1000 * base:7.1f} ms")
    print(f"  drop to first heatmap   {1000 * page_took:7.1f} ms")
    print(f"  ratio                   {page_took / base:7.2f}   (goal: {GOAL} or less)")


if __name__ == "__main__":
    main()
