"""Grad-CAM on VGG16 and Xception: the eight best classes of a photo, then six named ones.

    python examples/grad_cam_vgg16_xception.py [PHOTO] [--weights imagenet|none|FILE] [--out DIR]

Each network brings its own input size, preprocessing and layer.
"""

import argparse
from pathlib import Path

import skimage.data

import seewhy

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("photo", nargs="?", default=skimage.data.chelsea())
parser.add_argument("--weights", default="imagenet")
parser.add_argument("--out", type=Path, default=Path("why"))
arguments = parser.parse_args()

for name in ("vgg16", "xception"):
    classifier = seewhy.load(f"{name}?weights={arguments.weights}")
    print(f"{name}: {classifier.size} pixels, {classifier.preprocess}, layer {classifier.layer}")

    best = seewhy.explain(classifier, arguments.photo, method="grad-cam", top=8)
    for prediction in best.predictions[0]:
        print(f"  {prediction.label:30} {prediction.probability:.3f}")
    best.save(arguments.out / f"{name}_best.png")

    named = ["dock", "pier", "suspension bridge", "gondola", "breakwater", "dam"]
    explanation = seewhy.explain(classifier, arguments.photo, method="grad-cam", classes=named)
    explanation.save(arguments.out / f"{name}_named.png")
