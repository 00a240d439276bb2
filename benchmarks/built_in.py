"""Make the network that comes with seewhy from one that `seewhy train --no-half-colour` made.

    python benchmarks/built_in.py FIRST.keras PHOTOS OUT.keras

OUT is FIRST with the fixed layer in front that halves colour, without more training, and with the
familiarity of PHOTOS (the folder with `train/` and `val/` that FIRST was trained on) measured anew.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import seewhy
from seewhy.progress import no_progress
from seewhy.training.data import decode_photos, find_classes, split_photos
from seewhy.training.networks import LAST_MAP, small_network, take_weights
from seewhy.training.references import remember
from seewhy.training.train import save_network
from seewhy.zoo.keras_files import read_metadata


def main() -> None:
    """Write OUT."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("first", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    metadata = dict(read_metadata(arguments.first))
    recipe = metadata["training"]["recipe"]
    network = small_network(tuple(metadata["size"]), len(metadata["labels"]))
    take_weights(network, seewhy.load(arguments.first).network.model)
    folder = find_classes(arguments.photos)
    with tempfile.TemporaryDirectory() as place:
        photos = decode_photos(
            folder,
            size=tuple(metadata["size"]),
            store=Path(place) / "photos.npy",
            progress=no_progress,
        )
        training, held = split_photos(
            folder.only(photos.indices), share=recipe["validation_split"], seed=recipe["seed"]
        )
        references = remember(
            network,
            LAST_MAP,
            photos.pixels,
            photos.classes,
            training=training,
            validation=held,
            seed=recipe["seed"],
        )
    if references is not None:
        metadata["references"] = references.as_dict()
    recipe["half_colour"] = True
    save_network(network, arguments.out, metadata)


if __name__ == "__main__":
    main()
