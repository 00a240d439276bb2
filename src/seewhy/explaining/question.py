"""The question to a network: methods and their options, layers and targets.

Axes: n image, t target (class).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from seewhy.classifier import Classifier
from seewhy.errors import OptionError, TargetError, UnknownMethod, nearest_names
from seewhy.explaining.contrast import Against, Contrast, FoundRatherThan, Similar, check_rest
from seewhy.explaining.settings import PRECISION, USUAL_TOP
from seewhy.methods import METHODS
from seewhy.methods.base import Method, Needs
from seewhy.methods.covering import FEATURE_MAPS
from seewhy.methods.measured import best
from seewhy.networks.base import INPUT, Network, Output, Targets, Top
from seewhy.networks.cells import WHOLE_INPUT, Shares, common_part
from seewhy.networks.checks import check_layer, is_name, no_classes
from seewhy.networks.execution import EXACT, Execution
from seewhy.photos.photo import Placement
from seewhy.settings import is_whole, shortened

BEST = "best"
"""The name that stands for the most faithful method within a budget."""

NETWORK_OPTIONS = (PRECISION,)
"""Options of every method: how the network computes. They are arguments of `explain`."""


@dataclass(frozen=True)
class Question:
    """The question to a network: a request, bound to it and to a number of photos.

    Attributes:
        classifier: the network.
        methods, options, layers, output, batch_size, execution: as the request says.
        targets: what is explained of each photo.
        contrast: what it is contrasted with.
        request: the `Request`, whose module imports this one, with the network's part filled in.
    """

    classifier: Classifier
    methods: tuple[Method, ...]
    options: Mapping[str, Mapping[str, Any]]
    layers: tuple[str, ...]
    targets: Targets
    output: Output
    batch_size: int | None
    contrast: Contrast | None = None
    execution: Execution = EXACT
    request: Any = None

    def __post_init__(self) -> None:
        check_rest(self.output, self.targets, self.contrast)
        is_asked = self.output != "score" and not callable(self.targets)
        if is_asked and self.classifier.is_regression:
            raise TargetError(
                f"'{self.classifier.name}' has one output and no sigmoid: a value, which has no "
                "probability. Explain the score, or give two labels if it is the logit of two "
                "classes."
            )

    def of_photos(self, places: Sequence[int]) -> Question:
        """Return the question for some of its photos."""
        if not isinstance(self.targets, ndarray):
            return self
        return replace(self, targets=self.targets[list(places)])

    def layers_of(self, method: Method) -> tuple[str, ...]:
        """Return the layers that a method looks at; the input where it looks at no layer."""
        if method.multiplies and len(self.layers) == 1:
            return scale_layers(self.classifier, self.layers[0])
        return self.layers if method.at_layer else (INPUT,)

    def cells_of(self, method: Method) -> Shares:
        """Return what a method's maps cover of the network's input.

        Raises:
            LayerError: a layer is no map of the photo, or the layers cover unlike parts of it.
        """
        if not method.at_layer:
            return WHOLE_INPUT
        session, size = self.classifier.session, self.classifier.size
        cells = {name: session.cells(name, size) for name in self.layers_of(method)}
        return common_part(self.classifier.name, cells)

    def placed(self, method: Method, placements: Sequence[Placement]) -> tuple[Placement, ...]:
        """Return where a method's maps lie in photos, whose placements are of the whole input."""
        cells = self.cells_of(method)
        if self.request.zoom > 1:  # the maps of tiles are at their places already
            return tuple(placements)
        return tuple(placement.of_cells(cells) for placement in placements)

    @property
    def all_layers(self) -> tuple[str, ...]:
        """Every layer that a method looks at."""
        wanted = [self.layers_of(method) for method in self.methods if method.at_layer]
        return tuple(dict.fromkeys(name for names in wanted for name in names))

    def contrast_of(self, method: Method) -> Contrast | None:
        """Return what a method contrasts classes with: by itself, or as the question says."""
        if not method.contrasts:
            return self.contrast
        settings = method.settings(self.options[method.name])
        similar, strength = int(settings["similar"]), float(settings["strength"])
        if isinstance(self.contrast, Against):
            return Against(self.contrast.rivals, strength)
        if isinstance(self.contrast, FoundRatherThan):
            return replace(self.contrast, others=Similar(similar, strength))
        return self.contrast or Similar(similar, strength)

    def is_class_free(self, method: Method) -> bool:
        """True for a method whose map is the same whatever the class: one map per photo."""
        return is_class_free(method, self.options[method.name])

    @cached_property
    def network(self) -> Network:
        """The classifier's `Network`, computing as asked, or as far as that is offered."""
        return self._computing[0]

    @property
    def computed(self) -> Execution:
        """How the network does compute: as asked, or as far as that is offered."""
        return self._computing[1]

    @cached_property
    def _computing(self) -> tuple[Network, Execution]:
        return self.classifier.session.network_for(self.execution)

    @property
    def needs_gradients(self) -> bool:
        """True where a backward pass to the layers is needed."""
        return callable(self.targets) or any(
            Needs.LAYER_GRADIENTS in method.needs for method in self.methods
        )


def is_class_free(method: Method, options: Mapping[str, Any]) -> bool:
    """True for a method whose map is the same whatever the class: one map per photo."""
    return method.class_free or options.get("watch") == FEATURE_MAPS


def find_method(name: Any) -> Method:
    """Return the row of METHODS, by its name in any usual spelling: 'grad-cam', 'GradCAM'.

    'best' is the most faithful one that was measured within a budget: see docs/trust.md.

    Raises:
        UnknownMethod: no method has that name.
    """
    if not isinstance(name, str):
        raise UnknownMethod(
            f"A method is a name, not {name!r}. List them: seewhy methods. "
            "For several methods at once use seewhy.compare."
        )
    if is_best(name):
        return METHODS[best().method]
    for known, method in METHODS.items():
        if _letters(name) == _letters(known):
            return method
    near = nearest_names(name, METHODS)
    hint = f"The nearest names are {near}. " if near else ""
    raise UnknownMethod(f"There is no method '{name}'. {hint}List them all: seewhy methods")


def is_best(name: Any) -> bool:
    """True for the name that stands for the best method."""
    return isinstance(name, str) and _letters(name) == BEST


def _letters(name: str) -> str:
    """Return a name without case and separators; 'plusplus' and 'pp' at its end are '++'."""
    return re.sub(r"(plusplus|pp)$", "++", re.sub(r"[\s_-]+", "", name.lower()))


def check_options(
    method: Method, options: Mapping[str, Any], *, arguments: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the options as a dict; invalid ones are refused before any photo is read.

    Args:
        method: the method that the options belong to.
        options: as given.
        arguments: further keywords of the function that was called, for the hint.

    Raises:
        OptionError: the method has no such option, or the value is not valid.
    """
    own = [option.name for option in method.options]
    known = {option.name: option for option in (*method.options, *NETWORK_OPTIONS)}
    for name, value in options.items():
        if name not in known:
            has = f"It has: {', '.join(own)}." if own else "It has none."
            others = [
                each.name
                for each in METHODS.values()
                if name in {option.name for option in each.options}
            ]
            near = get_close_matches(name, [*known, *arguments], n=1, cutoff=0.7)
            if near:
                has += f" The nearest name is '{near[0]}'."
            elif others:
                has += f" Methods with this option: {', '.join(others)}."
            raise OptionError(f"The method '{method.name}' has no option '{name}'. {has}")
        known[name].check(value, method=method.name)
    return dict(options)


def take_execution(
    options: Mapping[str, Mapping[str, Any]], precision: Any = "float32"
) -> tuple[dict[str, dict[str, Any]], Execution]:
    """Take what concerns the network out of the options of methods; it is the same for all.

    Args:
        options: by method, checked.
        precision: unless an option says otherwise.

    Raises:
        OptionError: the precision is unknown, or methods disagree.
    """
    given = {"precision": precision}
    for row in NETWORK_OPTIONS:
        row.check(given[row.name], method=None)
        asked = {option[row.name] for option in options.values() if row.name in option}
        if len(asked) > 1:
            raise OptionError(
                f"The methods share the network, and '{row.name}' differs among them. Give one "
                "value for all."
            )
        given[row.name] = next(iter(asked), given[row.name])
    left = {
        method: {name: value for name, value in values.items() if name not in given}
        for method, values in options.items()
    }
    return left, Execution(given["precision"])


def layer_names(classifier: Classifier, layer: Any) -> tuple[str, ...]:
    """Return the names of the layers to explain.

    Raises:
        UnknownLayer: the network has no such layer.
        LayerError: it is not called once, as a container that is only iterated over.
    """
    if layer is None:
        return (classifier.layer,)
    several = layer if isinstance(layer, (list, tuple)) else [layer]
    network = classifier.network
    names = tuple(dict.fromkeys(network.layer_name(entry) for entry in several))
    for name in filter(is_name, names):
        check_layer(network.name, name, network.layers)
    return names


def scale_layers(classifier: Classifier, layer: str) -> tuple[str, ...]:
    """Return a layer, and the last ones before it whose maps are 2 and 4 times as fine.

    A scale that the network does not have, to the row and column, is left out.
    """
    before = []
    for candidate in classifier.network.layers:
        if candidate.is_spatial and candidate.calls == 1:
            before.append(candidate)
        if candidate.name == layer:
            break
    names = [layer]
    h, w = before[-1].shape[:2] if before and before[-1].name == layer else (0, 0)
    for finer in (2, 4):
        size = (finer * h, finer * w)
        names += [candidate.name for candidate in before if candidate.shape[:2] == size][-1:]
    return tuple(names)


def as_targets(
    classifier: Classifier,
    count: int,
    *,
    top: int | None,
    classes: Sequence[Any] | None,
    target: Any,
    class_free: bool = False,
) -> Targets:
    """Return the targets that `top`, `classes` or `target` select, for `count` photos.

    With `class_free`, a network without classes needs none of them.

    Raises:
        TargetError: they do not match the photos or the network.
        UnknownClass: a class that the network does not have.
    """
    if target is not None:
        chosen: Targets = target
        return chosen
    if classifier.network.classes is None:
        if class_free:
            return Top(0)
        raise no_classes(classifier.name, classifier.network.outputs)
    if classes is not None:
        return class_indices(classifier, classes, count)
    return Top(min(USUAL_TOP if top is None else top, classifier.network.classes))


def class_indices(
    classifier: Classifier, classes: Sequence[Any], count: int
) -> Int[ndarray, "n t"]:
    """Return the class indices for each of `count` photos.

    Raises:
        TargetError: no class, or another number of lists than photos, or lists of unlike length.
        UnknownClass: a class that the network does not have.
    """
    lists = class_lists(classes)
    if not isinstance(lists[0], tuple):
        return np.tile(indices_of(classifier, lists), (count, 1))
    if len(lists) != count:
        raise TargetError(
            f"{len(lists)} lists of classes were given for {count} photos. "
            "Give one list for all photos, or one list per photo."
        )
    return np.array(indices_of(classifier, lists))


def class_lists(classes: Any) -> tuple[Any, ...]:
    """Return classes as a tuple of names and indices, or a tuple of those for each photo.

    Raises:
        TargetError: no class, or classes and lists of them, or lists of unlike length.
    """
    is_one = isinstance(classes, str) or not isinstance(classes, Iterable)
    entries: list[Any] = [classes] if is_one else list(classes)
    if not entries:
        raise TargetError("classes=[] selects no class. Name at least one.")
    nested = [isinstance(entry, (list, tuple, ndarray)) for entry in entries]
    if not any(nested):
        return tuple(map(one_class, entries))
    if not all(nested):
        raise TargetError(
            "classes mixes classes and lists of classes. Give one list for all photos, or one "
            "list per photo."
        )
    lengths = sorted({len(entry) for entry in entries})
    if len(lengths) > 1 or lengths[0] == 0:
        raise TargetError(
            f"The lists of classes have between {lengths[0]} and {lengths[-1]} entries. "
            "Give every photo the same number of classes, at least one."
        )
    return tuple(tuple(map(one_class, entry)) for entry in entries)


def one_class(query: Any) -> str | int:
    """Return a class as it can be named: by text or by a whole number.

    Raises:
        TargetError: it is anything else.
    """
    if isinstance(query, str):
        return query
    if is_whole(query):
        return int(query)
    raise TargetError(
        f"A class is a name, a WordNet id or a whole number, not {shortened(query)}. "
        "Name it by one of these."
    )


def indices_of(classifier: Classifier, classes: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return classes as indices, in the same nesting."""
    return tuple(
        indices_of(classifier, entry) if isinstance(entry, tuple) else classifier.class_index(entry)
        for entry in classes
    )
