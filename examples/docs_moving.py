"""Film the page for the README, with EfficientNet-Lite0: docs_moving.py [OUT]"""

import shutil
import subprocess
import sys
import tempfile
from io import BytesIO
from pathlib import Path

import skimage.data
from PIL import Image
from playwright.sync_api import sync_playwright

out, photo = [*sys.argv, "docs/images/page.webp"][1], Path(tempfile.mkdtemp()) / "two.png"
two = Image.new("RGB", (640, 640))
for top, pixels in ((0, skimage.data.chelsea()[:225]), (320, skimage.data.coffee()[:300])):
    two.paste(Image.fromarray(pixels).resize((640, 320)), (0, top))
two.save(photo)
command = [sys.executable, "-m", "seewhy", "serve", photo, "--port", "0"]
command, frames = [*command, "--model", "efficientnet-lite0"], []
across = [(x, y) for y in (0.2, 0.3, 0.4) for x in (0.3, 0.75)]
with sync_playwright() as one, subprocess.Popen(command, stderr=-1, text=True) as server:
    browser = one.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
    page = browser.new_page(viewport={"width": 1120, "height": 700}, color_scheme="light")
    page.goto(next(line.split()[1] for line in server.stderr if line.startswith("Open")))
    for click in ("l", "#bars .bar:has-text('Egyptian')", "li:has-text('espresso') .against", "o"):
        page.wait_for_selector("#bars li", timeout=180_000)
        page.click(click) if len(click) > 1 else page.keyboard.press(click)
        page.wait_for_timeout(3000)
        page.wait_for_function("() => !document.querySelector('.frame.busy')", timeout=180_000)
        if click == "o":  # the face is painted over, and the bars move
            box = page.locator(".frame").bounding_box()
            for step, (x, y) in enumerate(across):
                page.mouse.move(box["x"] + box["width"] * x, box["y"] + box["height"] * y, steps=9)
                page.mouse.down() if step == 0 else page.mouse.up() if step == 5 else None
            page.wait_for_selector("#bars em", timeout=180_000)
        frames.append(Image.open(BytesIO(page.screenshot())).convert("RGB"))
    server.terminate()
frames[0].save(out, save_all=True, append_images=frames[1:], duration=2200, loop=0, quality=75)
