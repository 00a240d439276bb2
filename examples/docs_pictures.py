"""Draw the docs' pictures of the built-in network: docs_pictures.py [OUT] (docs/images)"""

import sys
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

import seewhy
from seewhy.explaining.drawing import draw_methods
from seewhy.methods import METHODS
from seewhy.rendering.page import grid

(out := Path([*sys.argv, "docs/images"][1])).mkdir(parents=True, exist_ok=True)
built_in, smooth = seewhy.load("built-in"), seewhy.Style(smooth=1)
cat, person = map(Path(skimage.data.__file__).with_name, ("chelsea.png", "astronaut.png"))


def write(pixels, name):
    (image := Image.fromarray(pixels)).thumbnail((1200, 1200))
    image.save(out / name, quality=80, optimize=True)


methods = [name for name, row in METHODS.items() if not row.attends and name != "vit-cx"]
of_both = [seewhy.compare(built_in, one, methods=methods, classes=["cat"]) for one in (cat, person)]
for photo, compared in zip((cat, person), of_both, strict=True):
    write(draw_methods(list(compared.values()), 0, smooth), f"methods_{photo.stem}.jpg")
for method in methods:
    pair = [Image.fromarray(both[method].overlays(style=smooth)[0][0]) for both in of_both]
    page = np.hstack([one.resize((one.width * 240 // one.height, 240)) for one in pair])
    write(page, f"method_{method}.jpg")
write(seewhy.explain(built_in, cat, method="cam").picture(), "training.jpg")
write(seewhy.locate(built_in, cat, fast=True).pictures()[0], "locate.jpg")
ways = [{}, {"contrast": "dog"}, {"zoom": 2}, {"method": "refine-cam"}]
maps = [seewhy.explain(built_in, cat, **{"method": "grad-cam"} | way, top=1) for way in ways]
titled = [(f"{one.method}\n{one.caption()}", one.overlays()[0][0]) for one in maps]
write(grid(titled), "finer.jpg")
most = seewhy.maximize_activation(built_in, classes=list(built_in.labels))
write(most.picture(), "inside_built_in.jpg")
