"""The keras.applications family of a Keras model, by the names of its layers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """A family of keras.applications whose preprocessing is outside of the model.

    Attributes:
        name: of the family.
        preprocess: the mode of its `preprocess_input`.
        layers: names that its networks have, all of them, with or without the classifier.
    """

    name: str
    preprocess: str
    layers: tuple[str, ...]


FAMILIES = (
    Family("VGG", "caffe", ("block1_conv1", "block5_conv2", "block5_pool")),
    Family("ResNet", "caffe", ("conv1_bn", "conv2_block1_0_conv", "conv5_block3_out")),
    Family("ResNetV2", "tf", ("conv2_block1_preact_bn", "conv5_block3_out", "post_bn")),
    Family("DenseNet", "torch", ("conv2_block1_0_bn", "conv5_block16_concat", "pool4_conv")),
    Family("MobileNet", "tf", ("conv1_bn", "conv_dw_1", "conv_pw_13")),
    Family("MobileNetV2", "tf", ("bn_Conv1", "expanded_conv_depthwise", "block_16_project")),
    Family("InceptionV3", "tf", ("mixed0", "mixed8", "mixed10")),
    Family("InceptionResNetV2", "tf", ("mixed_5b", "block35_1", "conv_7b")),
    Family("Xception", "tf", ("block1_conv1", "block2_sepconv1", "block14_sepconv2")),
    Family("NASNet", "tf", ("stem_conv1", "normal_conv_1_0", "reduction_concat_stem_1")),
)
"""Only families of which the input is scaled before the network; the others scale it inside."""


def family_of(names: Iterable[str]) -> Family | None:
    """Return the family that layers of these names or paths make up; None for none."""
    there = {name.rpartition("/")[2] for name in names}
    for family in FAMILIES:
        if there.issuperset(family.layers):
            return family
    return None
