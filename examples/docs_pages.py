"""Photograph the page of `seewhy serve` for docs/serve.md: docs_pages.py [OUT] (docs/images)"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import skimage.data
from PIL import Image
from playwright.sync_api import sync_playwright

out, work = Path([*sys.argv, "docs/images"][1]), Path(tempfile.mkdtemp())
cat = Path(skimage.data.__file__).with_name("chelsea.png")
seewhy, wait = [sys.executable, "-m", "seewhy"], {"timeout": 180_000}
quiet = ["--disable-gpu", "--disable-quic", "--disable-background-networking"]
(work / "cats/cat").mkdir(parents=True)
for number in range(8):  # windows of the cat, each a little further to the right
    window = (17 * number, 0, 17 * number + 260 + 20 * (number % 3), 300)
    Image.open(cat).crop(window).save(work / f"cats/cat/{number}.png")
command = ["batch", work / "cats", "--true-labels", "folders", "--out", work / "run"]
subprocess.run([*seewhy, *command], check=True)
pages = {"serve": "l", "serve_compare": "c", "serve_inside": "i", "serve_run": "l"}
with sync_playwright() as one:
    browser = one.chromium.launch(
        executable_path=shutil.which("chromium"), args=["--no-sandbox", *quiet]
    )
    for name, key in pages.items():
        command = [*seewhy, "serve", "--port", "0", work / "run" if name == "serve_run" else cat]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
            page = browser.new_page(color_scheme="light" if key == "l" else "dark")
            page.goto(next(line.split()[1] for line in server.stderr if line.startswith("Open")))
            page.wait_for_selector("#trust .badge, #trust button", **wait)
            page.evaluate("() => document.querySelector('#trust button')?.click()")
            page.keyboard.press(key)
            page.mouse.move(480, 260)
            page.wait_for_timeout(9000)
            page.wait_for_function("() => !document.querySelector('.frame.busy')", **wait)
            page.screenshot(path=out / f"{name}.jpg", quality=85)
            server.terminate()
