"""Draw the docs' pictures of the built-in network: docs_pictures.py [OUT] (docs/images)"""

import sys
from pathlib import Path

import skimage.data
from PIL import Image

import seewhy
from seewhy.explaining.drawing import draw_methods
from seewhy.methods import METHODS
from seewhy.rendering.page import grid

(out := Path([*sys.argv, "docs/images"][1])).mkdir(parents=True, exist_ok=True)
built_in, style = seewhy.load("built-in"), seewhy.Style(scale="photo")
cat, person = map(Path(skimage.data.__file__).with_name, ("chelsea.png", "astronaut.png"))


def write(pixels, name):
    (image := Image.fromarray(pixels)).thumbnail((1200, 1200))
    image.save(out / name, quality=80, optimize=True)


for photo in (cat, person):
    methods = [name for name, row in METHODS.items() if not row.attends]
    one = seewhy.compare(built_in, photo, methods=methods, classes=["cat"])
    write(draw_methods(list(one.values()), 0, seewhy.Style(smooth=1)), f"methods_{photo.stem}.jpg")
write(seewhy.explain(built_in, cat, method="occlusion").picture(style=style), "occlusion.jpg")
write(seewhy.explain(built_in, cat, method="cam").picture(), "training.jpg")
write(seewhy.locate(built_in, cat, fast=True).pictures()[0], "locate.jpg")
ways = [{}, {"contrast": "dog"}, {"zoom": 2}, {"method": "refine-cam"}]
maps = [seewhy.explain(built_in, cat, **{"method": "grad-cam"} | way, top=1) for way in ways]
targets, (a, b) = seewhy.targets, map(built_in.class_index, ("cat", "dog"))
asked = [targets.score(a), targets.counterfactual(a), targets.contrast(a, b)]
found = [seewhy.explain(built_in, cat, method="hires-cam", target=one) for one in asked]
for all_of_them, name in ((maps, "finer.jpg"), (found, "targets.jpg")):
    titled = [(f"{one.method}\n{one.caption()}", one.overlays()[0][0]) for one in all_of_them]
    write(grid(titled), name)
most = seewhy.maximize_activation(built_in, classes=list(built_in.labels))
write(most.picture(), "inside_built_in.jpg")
