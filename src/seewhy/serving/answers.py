"""The server's responses: heatmaps, predictions and costs, as frames.

Axes: t target (class), h row, w column of a map, H row and W column of a photo, c channel.
"""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.classifier import Classifier
from seewhy.errors import OptionError
from seewhy.explaining.explain import explain
from seewhy.explaining.question import NETWORK_OPTIONS, default_method, find_method
from seewhy.explaining.result import Explanation
from seewhy.files import finite
from seewhy.locating.locate import crop
from seewhy.methods import METHODS
from seewhy.methods.base import Method, Needs
from seewhy.photos.reading import Photo
from seewhy.progress import Progress
from seewhy.rendering.text import short_name
from seewhy.serving.frames import frame
from seewhy.serving.questions import PageQuestion, cover
from seewhy.settings import Setting

SHOWN = 5
"""Predictions that are listed."""


def explained(
    classifier: Classifier, photo: Photo, asked: PageQuestion, progress: Progress
) -> bytes:
    """Explain the given classes, or the best one, or one rather than another."""
    asked.check(classifier)
    started = time.perf_counter()
    method = asked.method or default_method(classifier, asked.layer)
    shown = cover(photo, asked.squares)
    if asked.versus is None:
        explanation = ask(classifier, shown, asked, method, progress)
        maps, signed, label = explanation.maps[0], explanation.signed, None
    else:
        explanation, maps, signed = contrasted(classifier, shown, asked, method, progress)
        label = f"{classifier.label(asked.classes[0])} rather than {classifier.label(asked.versus)}"
    smooth = None if asked.versus is not None else shown_maps(explanation)
    seconds = time.perf_counter() - started
    return answer(explanation, maps, signed, label=label, smooth=smooth, seconds=seconds)


def answer(
    explanation: Explanation,
    maps: Float[ndarray, "t h w"],
    signed: bool,
    *,
    label: str | None = None,
    smooth: Float[ndarray, "t h w"] | None = None,
    seconds: float = 0.0,
) -> bytes:
    """Return the maps of one photo with all that the page says of them, as a frame."""
    header = {
        "kind": "result",
        "method": explanation.method,
        "layer": explanation.layer,
        "model": explanation.model,
        "signed": signed,
        "fromMinimum": explanation.from_minimum,
        "unit": unit_of(find_method(explanation.method)),
        "placement": list(explanation.placements[0].box),
        "photo": list(explanation.photos[0].pixels.shape[:2]),
        "targets": [
            one.as_dict() | {"label": label or one.label}
            for one in explanation.targets[0][: len(maps)]
        ],
        "predictions": [one.as_dict() for one in explanation.predictions[0][:SHOWN]],
        "seconds": round(seconds, 4),
    }
    return frame(header, {"maps": maps} | ({} if smooth is None else {"smooth": smooth}))


def numbers(classifier: Classifier, photo: Photo, asked: PageQuestion, progress: Progress) -> bytes:
    """Return the maps of a view, and what they belong to, as an `.npz` file made in memory."""
    asked.check(classifier)
    method = asked.method or default_method(classifier, asked.layer)
    shown = cover(photo, asked.squares)
    if asked.versus is None:
        arrays = ask(classifier, shown, asked, method, progress).arrays()
    else:
        explanation, contrast, _ = contrasted(classifier, shown, asked, method, progress)
        arrays = explanation.arrays() | {"maps": contrast[None]}
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return frame({"kind": "result"}, {"file": np.frombuffer(file.getvalue(), np.uint8)})


def ask(
    classifier: Classifier, photo: Photo, asked: PageQuestion, method: str, progress: Progress
) -> Explanation:
    """Ask the library, with the options of the page."""
    return explain(
        classifier,
        photo,
        method=method,
        classes=list(asked.classes) or None,
        top=None if asked.classes else 1,
        layer=asked.layer,
        progress=progress,
        **asked.options,
    )


def contrasted(
    classifier: Classifier, photo: Photo, asked: PageQuestion, method: str, progress: Progress
) -> tuple[Explanation, Float[ndarray, "1 h w"], bool]:
    """Explain what speaks for one class rather than another.

    CAM's maps add up to the scores, so the contrast is their difference, with both signs; other
    methods explain the difference of the two scores.

    Raises:
        OptionError: the question does not name one class.
    """
    if len(asked.classes) != 1 or asked.versus is None:
        raise OptionError("A contrast needs two classes: explain one rather than the other.")
    pair = replace(asked, classes=(asked.classes[0], asked.versus), versus=None)
    if Needs.CLASS_WEIGHTS in find_method(method).needs:
        both = ask(classifier, photo, pair, method, progress)
        return both, both.maps[0, :1] - both.maps[0, 1:], True
    from seewhy.targets import contrast

    explanation = explain(
        classifier,
        photo,
        method=method,
        target=contrast(asked.classes[0], asked.versus),
        layer=asked.layer,
        progress=progress,
        **asked.options,
    )
    return explanation, explanation.maps[0], explanation.signed


def shown_maps(explanation: Explanation) -> Float[ndarray, "t h w"] | None:
    """Return what pictures show in place of the raw maps (occlusion); None for other methods."""
    shown = explanation.shown[0] if explanation.shown else None
    return None if shown is None else np.asarray(shown("linear"), np.float32)


def probed(classifier: Classifier, photo: Photo, asked: PageQuestion, _progress: Progress) -> bytes:
    """Return the model's predictions for the photo with squares over it."""
    asked.check(classifier)
    probabilities = probabilities_of(classifier, cover(photo, asked.squares))
    best = np.argsort(-probabilities, kind="stable")[:SHOWN]
    rows = [*best.tolist(), *(one for one in asked.classes if one not in best)]
    return _predicted(classifier, probabilities, rows)


def looked(classifier: Classifier, photo: Photo, asked: PageQuestion, _progress: Progress) -> bytes:
    """Classify the crop of a box.

    Raises:
        OptionError: the box is not one of the photo.
    """
    height, width = photo.pixels.shape[:2]
    x0, y0, x1, y1 = asked.box or (0, 0, 0, 0)
    if not (x0 < x1 <= width and y0 < y1 <= height):
        raise OptionError(
            f"The box {[x0, y0, x1, y1]} is not within the photo of {width} × {height} pixels."
        )
    probabilities = probabilities_of(classifier, crop(photo, (x0, y0, x1, y1)))
    best = np.argsort(-probabilities, kind="stable")[:3]
    return _predicted(classifier, probabilities, best.tolist())


def probabilities_of(classifier: Classifier, photo: Photo) -> Float[ndarray, " k"]:
    """Return the probability of every class."""
    images, _ = classifier.prepare([photo])
    row: Float[ndarray, " k"] = classifier.probabilities(classifier.network.scores(images))[0]
    return row


def unit_of(method: Method) -> str:
    """Say what a value of the method's map is."""
    if method.name in ("occlusion", "rise"):
        return "drop of the score when covered" if method.name == "occlusion" else "expected score"
    if method.class_free:
        return "activation"
    if Needs.CLASS_WEIGHTS in method.needs:
        return "added to the score by this cell"
    return "of the score, through the layer" if method.at_layer else "of the score, by this pixel"


def methods_listed() -> list[dict[str, Any]]:
    """Return the table of methods as the page shows it."""
    return [
        {
            "name": one.name,
            "summary": one.summary,
            "cost": one.cost,
            "paper": one.paper,
            "slow": is_slow(one),
            "atLayer": one.at_layer,
            "classFree": one.class_free,
            "options": [option.as_dict() for option in _options(one)],
        }
        for one in METHODS.values()
    ]


def _options(method: Method) -> tuple[Setting, ...]:
    """Return a method's options; with the network's precision, where sweeps take long."""
    is_sweep = any(one.name == "engine" for one in method.options)
    precision = tuple(one for one in NETWORK_OPTIONS if one.name == "precision" and is_sweep)
    return (*method.options, *precision)


def model_listed(name: str, classifier: Classifier, settings: Mapping[str, str]) -> dict[str, Any]:
    """Return a model as the page shows it: its classes, and the layers that have a map."""
    layers = [
        {"name": one.name, "shape": list(one.shape)}
        for one in classifier.network.layers
        if one.is_spatial
        and one.calls == 1
        and ("Conv" in one.kind or one.name == classifier.layer)
    ]
    return {
        "name": name,
        "short": short_name(name),
        "settings": dict(settings),
        "size": list(classifier.size),
        "labels": list(classifier.labels),
        "layer": classifier.layer,
        "layers": layers,
    }


def is_slow(method: Method) -> bool:
    """True for a method that runs many copies, for all classes at once."""
    return method.copies is not None and not method.backward


def _predicted(
    classifier: Classifier, probabilities: Float[ndarray, " k"], indices: list[int]
) -> bytes:
    rows = [
        {
            "label": classifier.label(one),
            "index": one,
            "probability": finite(float(probabilities[one])),
        }
        for one in indices
    ]
    return frame({"kind": "result", "predictions": rows})
