"""A heatmap of your own trained network in three lines, Keras or PyTorch.

python examples/own_network.py keras|torch [PHOTO] [--out DIR]
"""

import argparse
from pathlib import Path

import skimage.data

import seewhy


def own_keras_model():
    from keras import Sequential, layers

    convolutions = [layers.Conv2D(16, 3, activation="relu"), layers.Conv2D(32, 3, strides=2)]
    head = [layers.GlobalAveragePooling2D(), layers.Dense(2, activation="softmax")]
    return Sequential([layers.Input((96, 96, 3)), layers.Rescaling(1 / 255), *convolutions, *head])


def own_torch_model():
    from torch import nn

    convolutions = [nn.Conv2d(3, 16, 3), nn.ReLU(inplace=True), nn.Conv2d(16, 32, 3, stride=2)]
    return nn.Sequential(*convolutions, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 2))


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("framework", choices=("keras", "torch"))
parser.add_argument("photo", nargs="?", default=skimage.data.chelsea())
parser.add_argument("--out", type=Path, default=Path("why"))
arguments = parser.parse_args()
model, mode = (
    (own_keras_model(), "none") if arguments.framework == "keras" else (own_torch_model(), "torch")
)

classifier = seewhy.Classifier(model, size=96, preprocess=mode, labels=["cat", "dog"])
explanation = seewhy.explain(classifier, arguments.photo)
print(explanation.save(arguments.out / "own_network.png")[0], explanation)
