"""What the page of `make truth` says in words: written by hand, after the tables."""

from __future__ import annotations

NAMES = {
    "mobilenet": "MobileNet (α = 0.75)",
    "squeezenet": "SqueezeNet v1.0",
    "built-in": "The built-in network",
    "vits14": "A ViT-S/14",
}
"""How the titles of the networks' tables begin, in their order."""

ABOUT = {
    "vits14": "of animals of three origins (ImageNet's validation photos, dogs, COCO), for the "
    "animal's class, whatever the best one is: the network was tuned for saliency, and is right "
    "about few of them",
}
"""What the photos of a network are, where it is not right about all of them."""

USES: dict[str, str] = {
    "grad-cam": "Use it first where CAM does not apply: as faithful as CAM, for one backward pass "
    "to the layer.",
    "cam": "Use it first: no cheap method is more faithful, and it costs one forward pass.",
    "grad-cam++": "Use it for the extent of an object, not for a class: it hardly changes with the "
    "class, or with a random head.",
    "finer-cam": "Use it for what sets a class apart from similar ones.",
    "xgrad-cam": "Use it as CAM: on such networks it is the same map.",
    "hires-cam": "Use it where places that the network did not use must stay dark: as faithful as "
    "Grad-CAM.",
    "layer-cam": "Use it for early layers; on the last map it hardly depends on the class, or on a "
    "random head.",
    "element-wise-grad-cam": "Use HiResCAM in its place: on the last map it is LayerCAM.",
    "refine-cam": "Use it for a finer map of what is there: its cells rank well, but it hardly "
    "changes with the class, or with a random head.",
    "eigen-cam": "Use it to see what is there, whatever the class: it answers no question about a "
    "class.",
    "eigen-grad-cam": "Use HiResCAM in its place: it is less faithful, and hardly knows the class.",
    "score-cam": "Use it where gradients are missing and time is not: it costs hundreds of passes.",
    "ablation-cam": "Use it where gradients are missing, on a late layer.",
    "rise": "Use it for a black box of which only scores are known, with thousands of masks.",
    "occlusion": "Use it to verify any other map: it is what the network answers when a patch is "
    "covered.",
    "saliency": "Use it for single pixels, and not for where the evidence is: the photo's edges "
    "rank cells as well.",
    "gradient-x-input": "Use integrated gradients in its place: its cells rank hardly better than "
    "random ones.",
    "smooth-grad": "Use it for single pixels: the only cheap fine map whose cells rank well.",
    "integrated-gradients": "Use it where contributions to pixels must add up to the score.",
    "guided-backpropagation": "Use it for texture only: it depends neither on the class nor on the "
    "head, and its sign ranks cells worse than chance.",
    "guided-grad-cam": "Use it to look at texture in the place that Grad-CAM shows, not to rank "
    "places: its sign does that worse than chance.",
}
"""By method: use it for what."""
