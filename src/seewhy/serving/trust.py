"""The trust badge: can this map, on this photo, be trusted?

Axes: r random map.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from seewhy.classifier import Classifier
from seewhy.classifier.familiarity import UNFAMILIAR
from seewhy.evaluating.comparing import Removal, compare_removal
from seewhy.explaining.question import find_method, is_class_free
from seewhy.files import finite
from seewhy.photos.reading import Photo
from seewhy.progress import Progress, no_progress
from seewhy.ranks import rank_correlation
from seewhy.serving.answers import ask
from seewhy.serving.frames import frame
from seewhy.serving.questions import PageQuestion, cover

LEAST_PROBABILITY = 0.01
"""Below this, a class has no probability that removal could take away."""

ALIKE_CORRELATION = 0.5
"""The rank correlation with another class's map from which a map hardly depends on the class."""

UNLIKE_MESSAGE = f"The photo is {UNFAMILIAR}"


@dataclass(frozen=True)
class Check:
    """One line of the badge.

    Attributes:
        text: what was found, as a sentence.
        holds: True or False; None where it cannot be said.
        why: the numbers.
    """

    text: str
    holds: bool | None
    why: str


def trusted(classifier: Classifier, photo: Photo, asked: PageQuestion, progress: Progress) -> bytes:
    """Measure one map on its photo: deletion and insertion, and whether it depends on the class.

    Deletion removes the hottest cells first and is good when low; insertion adds them first and is
    good when high; places that speak against the class come last. Both are what `evaluate`
    measures, beside maps of random cells, whose spread is the interval of the margin, and one map
    that points at the centre whatever the photo.
    """
    shown = cover(photo, asked.squares)
    explanation = ask(classifier, shown, asked.request, no_progress)
    target = explanation.targets[0][0]
    checks: list[Check] = []
    if target.index is not None and target.probability < LEAST_PROBABILITY:
        text = f"Not measurable: '{target.label}' has less than 1 % on this photo"
        checks.append(Check(text, None, "There is hardly a probability that covering could take."))
    else:
        removals = compare_removal(classifier, explanation, progress=progress)
        checks += [_removal_check(name, removal) for name, removal in removals.items()]
    checks.append(_class_check(classifier, shown, asked, explanation))
    is_familiar = explanation.is_familiar()
    if not is_familiar:
        why = "Its answer means little, whatever the probabilities say."
        checks.append(Check(UNLIKE_MESSAGE, None, why))
    verdict, good = _verdict(checks, is_familiar)
    return frame(
        {
            "kind": "result",
            "of": asked.as_dict(),
            "verdict": verdict,
            "good": good,
            "checks": [dict(vars(check)) for check in checks],
        }
    )


LEAST_MARGIN = 0.01
"""Of the probability: less is no difference, however sure it is, as with random weights."""

WORDS: Mapping[str, tuple[str, str, str, str]] = {
    "deletion": ("Covering its hottest places first", "hurts most", "does not hurt most", "low"),
    "insertion": ("Showing its hottest places first", "helps most", "does not help most", "high"),
}


def _removal_check(name: str, removal: Removal) -> Check:
    """Compare a map's area with those of random cells and of the centre."""
    first, does, does_not, good = WORDS[name]
    sign = 1 if good == "low" else -1
    margin, half = sign * (removal.random - removal.map), removal.half_width
    beats_centre = sign * (removal.centre - removal.map) > 0
    why = (
        f"{name} {removal.map:.2f} · random cells {removal.random:.2f} · "
        f"centre {removal.centre:.2f} · {good} is good · "
        f"better than random cells by {margin:+.2f} ± {half:.2f}"
    ).replace("-", "−")
    if abs(margin) <= max(half, LEAST_MARGIN):
        return Check(f"{first} is no different from random cells", None, why)
    if margin < 0 or not beats_centre:
        return Check(f"{first} {does_not}", False, why)
    return Check(f"{first} {does}", True, why)


def _class_check(
    classifier: Classifier, photo: Photo, asked: PageQuestion, explanation: Any
) -> Check:
    """Compare a map with that of the best other class."""
    target = explanation.targets[0][0]
    method = find_method(explanation.method)
    if is_class_free(method, asked.request.options.get(method.name, {})):
        why = "This method does not look at the class."
        return Check("The same whatever the class", None, why)
    others = (
        prediction.index
        for prediction in explanation.predictions[0]
        if prediction.index != target.index
    )
    other = next(others, None)
    if other is None:
        why = "There is no second class to compare with."
        return Check("How it depends on the class is unknown", None, why)
    rival = replace(asked.request, classes=(other,), top=None)
    runner_up = ask(classifier, photo, rival, no_progress)
    likeness = finite(rank_correlation(explanation.maps[0, 0], runner_up.maps[0, 0]))
    if likeness is None:
        return Check("How it depends on the class is unknown", None, "One of the maps is constant.")
    why = (
        f"rank correlation {likeness:.2f} with the map of {classifier.label(other)} · "
        "1 is the same map"
    ).replace("-", "−")
    is_own = likeness < ALIKE_CORRELATION
    return Check(
        "It depends on the class" if is_own else "It hardly depends on the class", is_own, why
    )


def _verdict(checks: list[Check], is_familiar: bool) -> tuple[str, bool]:
    verdicts = [check.holds for check in checks if check.holds is not None]
    passed = sum(verdicts)
    if not verdicts:
        return "Nothing could be measured", False
    if passed < len(verdicts):
        return f"{passed} of {len(verdicts)} checks passed", False
    unsure = len(checks) - len(verdicts) - (not is_familiar)
    text = "Checks passed" if unsure else "All checks passed"
    if unsure:
        text += f", {unsure} could not be made"
    return (text, True) if is_familiar else (f"{text}, but an unfamiliar photo", False)
