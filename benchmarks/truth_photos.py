"""The photos and networks of `make truth`: real weights, and photos whose objects have boxes.

A sample is a photo whose best class is of a kind that the photo has boxes of: so the network is
right about it, and the object is what the heat should be on. COCO's photos have a human's mask too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

DATA = Path(os.environ.get("SEEWHY_TEST_DATA", "no-test-data"))

KINDS: dict[str, tuple[int, ...]] = {
    "dog": tuple(range(151, 269)),
    "cat": tuple(range(281, 286)),
    "bird": (*range(7, 25), *range(80, 101), *range(127, 147)),
    "bear": tuple(range(294, 298)),
    "zebra": (340,),
    "elephant": (101, 385, 386),
    "horse": (339,),
    "sheep": (348, 349),
    "cow": (345,),
    "teddy bear": (850,),
    "pizza": (963,),
    "banana": (954,),
    "orange": (950,),
    "broccoli": (937,),
    "hot dog": (934,),
    "clock": (409, 530, 892),
    "umbrella": (879,),
    "bus": (654, 779, 874),
    "train": (466, 547, 705, 820),
    "airplane": (404, 895),
    "boat": (472, 484, 554, 576, 625, 724, 780, 814, 871, 914),
    "car": (407, 436, 468, 511, 609, 627, 656, 661, 717, 734, 751, 817),
    "truck": (555, 569, 675, 864, 867, 717),
    "bicycle": (444, 671),
    "motorcycle": (665, 670),
    "laptop": (620, 681),
    "keyboard": (508,),
    "mouse": (673,),
    "remote": (761,),
    "cell phone": (487,),
    "microwave": (651,),
    "refrigerator": (760,),
    "toilet": (861,),
    "vase": (883,),
    "wine glass": (572, 966),
    "cup": (504, 967, 968),
    "bowl": (659, 809),
    "tie": (457, 906),
    "backpack": (414,),
    "bottle": (440, 737, 898, 907),
    "traffic light": (920,),
    "stop sign": (919,),
    "bench": (703,),
    "sports ball": (430, 722, 768, 805, 852),
    "couch": (831,),
    "chair": (423, 559, 765),
    "dining table": (532,),
    "tv": (782, 851),
}
"""ImageNet's classes by COCO's kinds, where they are the same things."""

NETWORKS = ("mobilenet", "efficientnet-lite0", "squeezenet", "built-in", "vits14")

VITS14 = "vits14_animals19"
"""A file of weights (.pth) and one of labels (.labels.txt), in the folder of networks."""

ANIMALS: dict[str, Sequence[int]] = {
    "ape": range(365, 369),
    "bear": range(294, 298),
    "butterfly": range(321, 327),
    "cat": range(281, 286),
    "cheetah": (293,),
    "cow": (345,),
    "dog": range(151, 269),
    "elephant": (101, 385, 386),
    "horse": (339,),
    "leopard": (288,),
    "lion": (291,),
    "monkey": range(369, 383),
    "panda": (388,),
    "puma": (286,),
    "snow_leopard": (289,),
    "tiger": (292,),
    "zebra": (340,),
}
"""ImageNet's classes by the animals that a network of 19 of them tells apart."""


@dataclass(frozen=True)
class Sample:
    """A photo that the network is right about.

    Attributes:
        file: the photo.
        boxes: (m, 4) of all objects of that kind.
        mask: the file of COCO's masks, and the value of that kind; None where there is none.
        index: the class that is explained; None: the network's best one.
    """

    file: Path
    boxes: np.ndarray
    mask: tuple[Path, int] | None
    index: int | None = None


@cache
def load_network(name: str) -> Any:
    """Return the classifier of a network with real weights."""
    import seewhy

    if name == "mobilenet":
        weights = DATA / "networks" / "mobilenet_0.75_224.weights.h5"
        return seewhy.load(f"mobilenet?alpha=0.75&weights={weights}")
    if name == "built-in":
        return seewhy.load("built-in")
    if name == "vits14":
        return vits14()
    if name == "efficientnet-lite0":  # on PyTorch as a whole: numpy takes twice the time
        plain = seewhy.load(name)
        return seewhy.Classifier(
            plain.network.twin,
            size=plain.size,
            fit=plain.fit,
            preprocess="tf",
            labels="imagenet",
            name=name,
        )
    from tests.incremental.test_real_networks import squeezenet

    model = squeezenet(DATA / "networks" / "squeezenet_v1.0.npz")
    return seewhy.Classifier(
        model,
        size=227,
        fit="crop:256",
        preprocess="caffe",
        labels="imagenet",
        name="squeezenet",
    )


def vits14() -> Any:
    """Return a ViT-S/14 in DINOv2's form, tuned for saliency, with a linear head for 19 animals."""
    import seewhy
    from tests.torchvision_operators import declare_missing_operators

    declare_missing_operators()
    folder = Path(os.environ.get("SEEWHY_NETWORKS", DATA / "networks"))
    return seewhy.load(
        f"timm:vit_small_patch14_dinov2?num_classes=19&weights={folder / VITS14}.pth",
        size=224,
        preprocess="torch",
        labels=(folder / f"{VITS14}.labels.txt").read_text().split(),
    )


@cache
def samples_of(network: str, count: int) -> list[Sample]:
    """Return the first samples of a network: photos of COCO, dogs and ImageNet by turns.

    Of ImageNet's, those with one box.
    """
    from seewhy.photos.reading import read_photo

    classifier = load_network(network)
    boxes = json.loads((DATA / "boxes" / "boxes.json").read_text())
    if network == "vits14":
        return animals_of(classifier, boxes)[:count]
    found: list[Sample] = []
    files = [file for file in boxes if file[0] != "i" or len(boxes[file]) == 1]
    for file in _by_turns(sorted(files), "coco", "dogs", "imagenet"):
        if len(found) == count:
            break
        photo = read_photo(DATA / "boxes" / file)
        best = int(classifier.network.scores(classifier.prepare([photo])[0])[0].argmax())
        right = sorted({one["class"] for one in boxes[file] if _is_of(one, classifier, best)})
        if right:
            found.append(_sample(file, [one for one in boxes[file] if one["class"] == right[0]]))
    return found


def animals_of(classifier: Any, boxes: dict[str, list[dict[str, Any]]]) -> list[Sample]:
    """Return all photos of ImageNet, dogs and COCO with boxes of an animal that has a class.

    That animal's class is explained, whatever the network's best one is, as localization is
    measured with known classes (Choe et al. 2020).
    """
    found = []
    for file in _by_turns(sorted(boxes), "imagenet", "dogs", "coco"):
        for index, animal in enumerate(classifier.labels):
            objects = [
                one
                for one in boxes[file]
                if one["class"] == animal or one.get("index") in ANIMALS.get(animal, ())
            ]
            if objects:
                found.append(_sample(file, objects, index))
                break
    return found


def _sample(file: str, objects: list[dict[str, Any]], index: int | None = None) -> Sample:
    drawn = DATA / "boxes" / "coco128_masks" / f"{Path(file).stem}.png"
    mask = (drawn, objects[0]["coco80"] + 1) if "coco80" in objects[0] else None
    return Sample(
        DATA / "boxes" / file,
        np.array([one["box"] for one in objects], np.float64),
        mask if drawn.is_file() else None,
        index,
    )


def _by_turns(files: list[str], *folders: str) -> list[str]:
    """Return one photo of each folder, and so on; what one has more comes last."""
    by_folder = [[file for file in files if file.startswith(one)] for one in folders]
    return [one for pair in zip_longest(*by_folder) for one in pair if one is not None]


def _is_of(thing: dict[str, Any], classifier: Any, best: int) -> bool:
    """Return whether a thing that has a box is of the class with an index."""
    if len(classifier.labels) == 1000:
        return best == thing["index"] if "index" in thing else best in KINDS.get(thing["class"], ())
    label = classifier.label(best)
    animals = ANIMALS.get(label.replace(" ", "_"), ())
    return thing["index"] in animals if "index" in thing else label == thing["class"]


def mask_of(samples: list[Sample]) -> Any:
    """Return the function of a photo that gives its human's mask, or None."""
    from PIL import Image

    masks = {one.file.name: one.mask for one in samples}

    def read(photo: Any) -> np.ndarray | None:
        found = masks.get(photo.name)
        return None if found is None else np.asarray(Image.open(found[0])) == found[1]

    return read
