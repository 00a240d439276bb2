"""Draw 5 x 3 classes, each as a photo with the heat of its own class.

python examples/animals.py NETWORK PHOTOS [--out animals.jpg] [--seed N] [--least 0.6]
PHOTOS has one sub-folder per class, best of photos that the network was not trained on. Only
photos that it is right about are drawn: this shows where it looks, not how often it is right.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageOps

import seewhy

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("network")
parser.add_argument("photos", type=Path)
parser.add_argument("--out", default="animals.jpg")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--least", type=float, default=0.6, help="probability of the class (0.6)")
arguments = parser.parse_args()
classifier = seewhy.load(arguments.network)
page, number = Image.new("RGB", (1200, 636), "white"), 0
for folder in sorted(one for one in arguments.photos.iterdir() if one.is_dir())[:15]:
    index = classifier.class_index(folder.name)
    for path in np.random.default_rng(arguments.seed).permutation(sorted(folder.iterdir())):
        found = seewhy.explain(classifier, path, classes=[index])
        best = found.predictions[0][0]
        if best.index == index and best.probability >= arguments.least:
            left, top, number = 240 * (number % 5), 212 * (number // 5), number + 1
            overlay = Image.fromarray(found.overlays()[0][0])
            heat = ImageOps.pad(overlay, (234, 180), color="white")
            page.paste(heat, (left + 3, top + 3))
            place = left + 120, top + 196
            ImageDraw.Draw(page).text(place, best.label, "black", anchor="mm", font_size=18)
            print(f"{folder.name}/{path.name}: {best.label} {best.probability:.2f}")
            break
page.save(arguments.out, quality=80, optimize=True)
