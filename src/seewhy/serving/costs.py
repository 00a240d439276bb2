"""The cost of a question, reported before it starts."""

from __future__ import annotations

import contextlib

from seewhy.classifier import Classifier
from seewhy.errors import SeewhyError
from seewhy.evaluating.comparing import COPIES
from seewhy.explaining.attending import check_attends
from seewhy.explaining.costs import method_passes, pass_seconds
from seewhy.explaining.estimating import estimate
from seewhy.explaining.request import Request
from seewhy.methods import METHODS
from seewhy.methods.base import Needs
from seewhy.photos.reading import Photo
from seewhy.progress import Progress
from seewhy.serving.frames import frame
from seewhy.serving.questions import PageQuestion
from seewhy.serving.streams import sentence

QUICK_PASSES = 12
"""Forward passes that a question may take beside others: two batches of photos or less."""

OF_LAYERS = Needs.ACTIVATIONS | Needs.CLASS_WEIGHTS | Needs.SCORES_FROM_LAYER
"""What only a network with layers gives."""


def cost(classifier: Classifier, photo: Photo, asked: PageQuestion, _progress: Progress) -> bytes:
    """Say how many copies of the photo a method needs, and how long it and the badge will take."""
    request = asked.request.settle(classifier)
    (method, *_) = request.methods
    options = request.options.get(method, {})
    estimated = estimate(classifier, photo, method=method, layer=asked.layer, **options)
    images, _ = classifier.prepare([photo])
    trust = pass_seconds(classifier, images[0]) * COPIES + 2 * estimated.seconds
    return frame(
        {
            "kind": "result",
            "copies": estimated.copies,
            "seconds": estimated.seconds,
            "trustSeconds": trust,
        }
    )


def is_slow(classifier: Classifier, request: Request) -> bool:
    """True for a request of many passes: it waits in the queue, and its cost is said first."""
    if not request.methods:
        return False  # the network's own default takes a pass or two
    asked = request.settle(classifier)
    (layer, *_) = asked.layer or (classifier.layer,)
    passes = [
        method_passes(classifier, name, layer=layer, options=asked.options.get(name, {}))
        for name in asked.methods
    ]
    return sum(passes) > QUICK_PASSES


def slow_methods(classifier: Classifier) -> list[str]:
    """Return the methods that are slow with their default options, of those that fit a network."""
    slow = []
    for name in METHODS:
        with contextlib.suppress(SeewhyError):
            if is_slow(classifier, Request(methods=(name,))):
                slow.append(name)
    return slow


def unfit_methods(classifier: Classifier) -> dict[str, str]:
    """Return the methods that need what a network lacks, and why; the page does not list them.

    That is attention, gradients, or layers to look at.
    """
    network, unfit = classifier.network, {}
    for name, method in METHODS.items():
        if method.backward and not network.has_gradients:
            unfit[name] = "It needs gradients, which this network does not have here."
        elif not network.layers and method.needs & OF_LAYERS:
            unfit[name] = "It looks at a layer, and this network shows none."
        try:
            check_attends(classifier, method)
        except SeewhyError as error:
            unfit.setdefault(name, sentence(error))
    return unfit
