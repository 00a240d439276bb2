"""The server's responses: heatmaps, predictions, boxes, code and numbers, as frames.

Axes: t target (class), h row, w column of a map, k class of the network.
"""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from PIL import Image

from seewhy.classifier import Classifier
from seewhy.errors import OptionError
from seewhy.explaining.answering import answer as engine
from seewhy.explaining.prediction import Prediction
from seewhy.explaining.question import NETWORK_OPTIONS
from seewhy.explaining.request import Request
from seewhy.explaining.result import Explanation
from seewhy.files import finite
from seewhy.locating import locate
from seewhy.methods import METHODS
from seewhy.methods.base import Method
from seewhy.networks.base import SCORES
from seewhy.networks.prompts import Prompts
from seewhy.photos.reading import Photo
from seewhy.progress import Progress
from seewhy.rendering.text import short_name
from seewhy.serving.costs import is_slow, slow_methods, unfit_methods
from seewhy.serving.frames import frame
from seewhy.serving.questions import PageQuestion, cover
from seewhy.settings import Setting

SHOWN_PREDICTIONS = 5
"""Predictions that are listed."""

COVERED_SUFFIX = "_covered"
"""After the name of a photo with squares over it, in code that is copied."""


def explained(
    classifier: Classifier, photo: Photo, asked: PageQuestion, progress: Progress
) -> bytes:
    """Explain the given classes, or the best one, or one rather than another."""
    started = time.perf_counter()
    explanation = ask(classifier, cover(photo, asked.squares), asked.request, progress)
    return answer(explanation, asked.as_dict(), seconds=time.perf_counter() - started)


def answer(
    explanation: Explanation,
    belongs_to: Mapping[str, Any],
    *,
    kind: str = "result",
    seconds: float = 0.0,
) -> bytes:
    """Return the maps of one photo with all that the page says of them, as a frame."""
    maps = explanation.maps[0]
    smooth = shown_maps(explanation)
    header = {
        "kind": kind,
        "of": belongs_to,
        "method": explanation.method,
        "layer": explanation.layer,
        "model": explanation.model,
        "signed": explanation.signed,
        "pixelLevel": explanation.pixel_level,
        "fromMinimum": explanation.from_minimum,
        "unit": explanation.row.unit,
        "placement": list(explanation.placements[0].map_box),
        "photo": list(explanation.photos[0].pixels.shape[:2]),
        "targets": [target.as_dict() | _rivals(target) for target in explanation.targets[0]],
        "predictions": [
            prediction.as_dict() for prediction in explanation.predictions[0][:SHOWN_PREDICTIONS]
        ],
        "familiar": explanation.is_familiar(),
        "seconds": round(seconds, 4),
    }
    return frame(header, {"maps": maps} | ({} if smooth is None else {"smooth": smooth}))


def _rivals(target: Prediction) -> dict[str, Any]:
    """Return what a class was contrasted with, in words and as indices."""
    rivals = target.rivals
    if rivals is None:
        return {"rivals": None, "rivalIndices": []}
    return {"rivals": ", ".join(rivals.labels), "rivalIndices": list(rivals.indices)}


def numbers(classifier: Classifier, photo: Photo, asked: PageQuestion, progress: Progress) -> bytes:
    """Return the maps of a view, and what they belong to, as an `.npz` file made in memory.

    With several methods, the name of each array begins with its method: 'cam/maps'.
    """
    explanations = ask_all(classifier, cover(photo, asked.squares), asked.request, progress)
    arrays = {
        f"{method}/{name}" if len(explanations) > 1 else name: array
        for method, explanation in explanations.items()
        for name, array in explanation.arrays().items()
    }
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return frame({"kind": "result"}, {"file": np.frombuffer(file.getvalue(), np.uint8)})


def covered(
    _classifier: Classifier, photo: Photo, asked: PageQuestion, _progress: Progress
) -> bytes:
    """Return the photo with what covers it, as PNG: the one that the copied code explains."""
    file = io.BytesIO()
    Image.fromarray(cover(photo, asked.squares).pixels).save(file, "PNG")
    return frame({"kind": "result"}, {"file": np.frombuffer(file.getvalue(), np.uint8)})


def code(
    classifier: Classifier,
    photo: Photo,
    asked: PageQuestion,
    *,
    model: str,
    settings: Mapping[str, Any],
) -> bytes:
    """Return a view as Python and as a command line, as the library writes its requests."""
    name = PurePath(photo.name)
    file = f"{name.stem}{COVERED_SUFFIX}.png" if asked.squares else str(name)
    python = asked.request.as_python(model, settings, file)
    command, reason = None, None
    try:
        command = asked.request.as_command(model, settings, file, labels=classifier.labels)
    except OptionError as error:
        reason = str(error)
    header = {"kind": "result", "python": python, "command": command, "noCommand": reason}
    return frame(header)


def ask(classifier: Classifier, photo: Photo, request: Request, progress: Progress) -> Explanation:
    """Ask the library; of several methods, the first."""
    return next(iter(ask_all(classifier, photo, request, progress).values()))


def ask_all(
    classifier: Classifier, photo: Photo, request: Request, progress: Progress
) -> dict[str, Explanation]:
    """Ask the library, by every method of the request."""
    explanations, _ = engine(request.bind(classifier, 1), [photo], progress=progress)
    return explanations


def shown_maps(explanation: Explanation) -> Float[ndarray, "t h w"] | None:
    """Return what pictures show in place of the raw maps (occlusion); None for other methods."""
    shown = explanation.shown[0] if explanation.shown else None
    return None if shown is None else np.asarray(shown("linear"), np.float32)


def probed(classifier: Classifier, photo: Photo, asked: PageQuestion, _progress: Progress) -> bytes:
    """Return the model's predictions for the photo with squares over it."""
    indices = asked.request.settle(classifier).classes or ()
    probabilities, familiar = seen_by(classifier, cover(photo, asked.squares))
    best = np.argsort(-probabilities, kind="stable")[:SHOWN_PREDICTIONS].tolist()
    rows = [
        {
            "label": classifier.label(index),
            "index": index,
            "probability": finite(float(probabilities[index])),
        }
        for index in [*best, *(index for index in indices if index not in best)]
    ]
    return frame(
        {"kind": "result", "of": asked.as_dict(), "predictions": rows, "familiar": familiar}
    )


def seen_by(classifier: Classifier, photo: Photo) -> tuple[Float[ndarray, " k"], bool]:
    """Return the probability of every class, and whether the photo is like the training photos."""
    images, _ = classifier.prepare([photo])
    references = classifier.references
    wanted = [SCORES] if references is None else [SCORES, references.layer]
    outputs = classifier.network.activations(images, wanted)
    probabilities: Float[ndarray, "n k"] = classifier.probabilities(outputs[SCORES])
    if references is None:
        return probabilities[0], True
    best = probabilities.argmax(axis=1)
    return probabilities[0], references.judge(outputs[references.layer], best)[0].familiar


def located(classifier: Classifier, photo: Photo, asked: PageQuestion, progress: Progress) -> bytes:
    """Return the boxes that `seewhy locate` finds for the classes, and what is seen in each.

    A method that runs many copies explains the photo as a whole, not its tiles.
    """
    (name,) = asked.request.methods or (None,)
    options: Any = asked.request.options.get(name or "", {})
    locations = locate(
        classifier,
        cover(photo, asked.squares),
        method=name,
        classes=asked.request.classes,
        layer=asked.request.layer,
        fast=is_slow(classifier, asked.request),
        threshold=asked.threshold,
        progress=progress,
        **options,
    )
    boxes = [
        {
            "box": list(box.box),
            "label": box.seen.label,
            "probability": finite(box.seen.probability),
        }
        for box in locations.found[0]
    ]
    return frame({"kind": "result", "of": asked.as_dict(), "boxes": boxes})


def methods_listed() -> list[dict[str, Any]]:
    """Return the table of methods as the page shows it."""
    return [
        {
            "name": method.name,
            "summary": method.summary,
            "cost": method.cost,
            "paper": method.paper,
            "sharesCopies": not method.backward,
            "atLayer": method.at_layer,
            "classFree": method.class_free,
            "options": [option.as_dict() for option in _options(method)],
        }
        for method in METHODS.values()
    ]


def _options(method: Method) -> tuple[Setting, ...]:
    """Return a method's options; with the network's precision, where sweeps take long."""
    is_sweep = any(option.name == "engine" for option in method.options)
    precision = tuple(
        option for option in NETWORK_OPTIONS if option.name == "precision" and is_sweep
    )
    return (*method.options, *precision)


def _prompts_listed(prompts: Prompts) -> dict[str, Any]:
    return {"texts": list(prompts.texts), "says": str(prompts)}


def model_listed(name: str, classifier: Classifier) -> dict[str, Any]:
    """Return a model as the page shows it: its classes, and the layers that have a map."""
    layers = [
        {"name": layer.name, "shape": list(layer.shape)}
        for layer in classifier.network.layers
        if layer.is_spatial
        and layer.calls == 1
        and ("Conv" in layer.kind or layer.name == classifier.layer)
    ]
    return {
        "name": name,
        "short": short_name(name),
        "size": list(classifier.size),
        "labels": list(classifier.labels),
        "prompts": classifier.prompts and _prompts_listed(classifier.prompts),
        "layer": classifier.layer,
        "layers": layers,
        "slow": slow_methods(classifier),
        "unfit": unfit_methods(classifier),
    }
