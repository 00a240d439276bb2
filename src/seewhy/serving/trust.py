"""The trust badge: can this map, on this photo, be trusted?"""

from __future__ import annotations

from dataclasses import replace

from seewhy.classifier import Classifier
from seewhy.evaluating.comparing import removal_areas
from seewhy.explaining.question import default_method, find_method, is_class_free
from seewhy.files import finite
from seewhy.maps import rank_correlation
from seewhy.photos.reading import Photo
from seewhy.progress import Progress, no_progress
from seewhy.serving.answers import ask
from seewhy.serving.frames import frame
from seewhy.serving.questions import PageQuestion, cover


def trusted(classifier: Classifier, photo: Photo, asked: PageQuestion, progress: Progress) -> bytes:
    """Measure one map on its photo: deletion and insertion, and whether it depends on the class.

    Deletion removes the hottest cells first and is good when low; insertion adds them first and is
    good when high. Both are what `evaluate` measures, beside a map of random cells, and one that
    points at the centre whatever the photo.
    """
    asked.check(classifier)
    shown = cover(photo, asked.squares)
    method = asked.method or default_method(classifier, asked.layer)
    explanation = ask(classifier, shown, asked, method, no_progress)
    target = explanation.targets[0][0]
    measured = removal_areas(classifier, explanation, progress=progress)
    other = next(
        (one.index for one in explanation.predictions[0] if one.index != target.index), None
    )
    class_free = is_class_free(find_method(method), asked.options)
    likeness = None
    if other is not None and not class_free:
        rival = replace(asked, classes=(other,))
        runner_up = ask(classifier, shown, rival, method, no_progress)
        likeness = finite(rank_correlation(explanation.maps[0, 0], runner_up.maps[0, 0]))
    return frame(
        {
            "kind": "result",
            "empty": bool(explanation.empty[0, 0]),
            "classFree": class_free,
            "unfamiliar": not explanation.is_familiar(),
            "likeness": likeness,
            "runnerUp": None if other is None else classifier.label(other),
            **measured,
        }
    )
