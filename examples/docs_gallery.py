"""Draw what only docs/gallery.md shows: docs_gallery.py [OUT] (docs/images)"""

import sys
from pathlib import Path

import skimage.data
from PIL import Image

import seewhy
from seewhy.rendering.page import grid

(out := Path([*sys.argv, "docs/images"][1])).mkdir(parents=True, exist_ok=True)
network, cat = seewhy.load("built-in"), Path(skimage.data.__file__).with_name("chelsea.png")


def write(pixels, name):
    (image := Image.fromarray(pixels)).thumbnail((1200, 1200))
    image.save(out / name, quality=80, optimize=True)


six = seewhy.explain(network, cat, method="cam", top=6)
write(six.picture(style=seewhy.Style(scale="photo", columns=4)), "classes.jpg")
swept = {
    f"patches of {side} × {side} pixels": seewhy.explain(
        network, cat, method="occlusion", patch=side, stride=8, classes=["cat"]
    )
    for side in (8, 16, 32, 64)
}
write(
    grid([(title, drops.overlays()[0][0]) for title, drops in swept.items()]), "occlusion_sizes.jpg"
)
targets, (a, b) = seewhy.targets, map(network.class_index, ("cat", "dog"))
asked = [targets.score(a), targets.counterfactual(a), targets.contrast(a, b)]
found = [seewhy.explain(network, cat, method="hires-cam", target=one) for one in asked]
write(grid([(one.caption(), one.overlays()[0][0]) for one in found]), "targets.jpg")
drops = seewhy.explain(network, cat, method="occlusion")
write(drops.picture(style=seewhy.Style(scale="photo")), "occlusion.jpg")
