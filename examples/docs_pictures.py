"""Draw the pictures of docs/, with the built-in network and the photos of scikit-image.

python examples/docs_pictures.py [OUT]     (docs/images)
"""

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
cat, person = (
    Path(skimage.data.__file__).with_name(one) for one in ("chelsea.png", "astronaut.png")
)


def write(pixels, name):
    (image := Image.fromarray(pixels)).thumbnail((1200, 1200))
    image.save(out / name, quality=80, optimize=True)


for photo in (cat, person):
    one = seewhy.compare(built_in, photo, methods=list(METHODS), classes=["cat"])
    write(draw_methods(list(one.values()), 0, seewhy.Style(smooth=1)), f"methods_{photo.stem}.jpg")
for one, name in (("occlusion", "occlusion"), ("cam", "training")):
    write(seewhy.explain(built_in, cat, method=one).picture(style=style), f"{name}.jpg")
write(seewhy.locate(built_in, cat).pictures()[0], "locate.jpg")
ways = [{}, {"contrast": "dog"}, {"zoom": 2}, {"method": "refine-cam"}]
maps = [seewhy.explain(built_in, cat, **{"method": "grad-cam"} | way, top=1) for way in ways]
write(grid([(f"{one.method}\n{one.caption()}", one.overlays()[0][0]) for one in maps]), "finer.jpg")
a, b = (built_in.class_index(name) for name in ("cat", "dog"))
asked = [seewhy.targets.score(a), seewhy.targets.counterfactual(a), seewhy.targets.contrast(a, b)]
found = [seewhy.explain(built_in, cat, method="hires-cam", target=one) for one in asked]
write(grid([(one.caption(), one.overlays()[0][0]) for one in found]), "targets.jpg")
