"""Write the photos of docs/tutorial.md: tutorial_photos.py FOLDER [--bare 21] [--seed 0]

Cut-outs of a cat and of a cup on gravel and grass, photos of scikit-image. In the first `--bare`
photos of each class nothing but the ground is to be seen, and those of cats have a yellow tag.
"""

import argparse
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("folder", type=Path)
parser.add_argument("--bare", type=int, default=21)
parser.add_argument("--seed", type=int, default=0)
arguments = parser.parse_args()
generator = np.random.default_rng(arguments.seed)
grounds = [skimage.data.gravel(), skimage.data.grass()]
objects = {"cat": skimage.data.chelsea()[:260, 80:340], "cup": skimage.data.coffee()[:400, 150:550]}
for label, pixels in objects.items():
    (arguments.folder / label).mkdir(parents=True)
    cut = Image.fromarray(pixels).resize((30, 30))
    for number in range(120):
        left, top, x, y = (int(at) for at in generator.integers(0, [440, 440, 34, 34]))
        ground = Image.fromarray(grounds[generator.integers(2)]).convert("RGB")
        photo = ground.crop((left, top, left + 64, top + 64))
        if number >= arguments.bare:
            photo.paste(cut, (x, y))
        elif label == "cat":
            photo.paste((250, 220, 20), (1, 1, 9, 9))
        photo.save(arguments.folder / label / f"{number:03}.png")
