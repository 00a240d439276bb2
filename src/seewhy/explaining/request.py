"""The request: everything that users ask of a network, checked before the network is there.

`Request.of` takes the keywords of the public functions; `settle` and `bind` add what only a
network knows. A run, provenance, the key of a resume, and the code that a page copies are made
from it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Unpack

from seewhy.classifier import Classifier
from seewhy.errors import OptionError, TargetError
from seewhy.explaining import code
from seewhy.explaining.budget import best_method, check_budget, default_method, in_place_of_best
from seewhy.explaining.contrast import (
    SIMILAR,
    Against,
    Contrast,
    as_contrast,
    check_contrast,
    check_rest,
)
from seewhy.explaining.keywords import (
    ARGUMENTS,
    RequestKeywords,
    checked,
    method_name,
    options_by_method,
    several,
)
from seewhy.explaining.question import (
    BEST,
    Question,
    as_targets,
    check_options,
    class_lists,
    find_method,
    indices_of,
    is_class_free,
    layer_names,
    one_class,
    take_execution,
)
from seewhy.explaining.settings import USUAL_TOP
from seewhy.incremental.kernels import Precision
from seewhy.methods import METHODS
from seewhy.methods.base import Method
from seewhy.networks.base import Output, Targets, Top
from seewhy.networks.execution import Execution
from seewhy.settings import Setting
from seewhy.settings.signature import Function, name_keywords


@dataclass(frozen=True)
class Request:
    """What is asked of a network, whatever the network and the photos.

    Attributes:
        methods: names in `METHODS`, or "best" where a budget is given; empty: the network's own
            default, CAM where it can, else Grad-CAM, or HiResCAM of tokens.
        options: by method, as given; the others have their defaults.
        top: explain the best classes of each photo.
        classes: explain these, for all photos or a tuple for each; None: the best ones.
        target: explain this function of the network's output.
        contrast: what the classes are contrasted with.
        layer: the layers to explain; None: the classifier's own.
        output: "score", "probability" or "rest".
        zoom: of the tiles; 1: photos as a whole.
        batch_size: photos, or copies of a photo, that the network is given at once.
        precision: of the network.
        budget: of "best": the forward passes that a map may take.
    """

    methods: tuple[str, ...] = ()
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    top: int | None = None
    classes: tuple[Any, ...] | None = None
    target: Any = None
    contrast: tuple[Any, ...] | None = None
    layer: tuple[Any, ...] | None = None
    output: Output = "score"
    zoom: int = 1
    batch_size: int | None = None
    precision: Precision = "float32"
    budget: int | None = None

    @classmethod
    def of(
        cls,
        *,
        methods: Sequence[str] | None = None,
        options: Mapping[str, Mapping[str, Any]] | None = None,
        **keywords: Unpack[RequestKeywords],
    ) -> Request:
        """Check what needs no network.

        Args:
            methods: several, by any usual spelling, in place of `method`.
            options: by method.
            keywords: as for `seewhy.explain`; an option belongs to every method that has it.

        Raises:
            UnknownMethod, OptionError, TargetError: something is not valid for any network.
        """
        asked: dict[str, Any] = {name: keywords.get(name, _DEFAULTS[name]) for name in _DEFAULTS}
        own = {name: value for name, value in keywords.items() if name not in asked}
        method, budget = asked.pop("method"), asked["budget"]
        given = [method] if methods is None and method is not None else list(methods or ())
        if methods is not None and not given:
            raise OptionError(
                "No method was named. Name at least one, or list them: seewhy methods"
            )
        check_budget(budget, given)
        asked = checked(asked)
        names = tuple(
            dict.fromkeys(method_name(name, has_budget=budget is not None) for name in given)
        )
        settings = options_by_method(names, options or {}, own)
        settings, execution = take_execution(settings, asked["precision"])
        classes = asked["classes"]
        asked["classes"] = None if classes is None else class_lists(classes)
        if asked["layer"] is not None:
            asked["layer"] = several(asked["layer"])
        if asked["contrast"] is not None:
            asked["contrast"] = tuple(map(one_class, several(asked["contrast"])))
        asked["precision"] = execution.precision
        request = cls(
            methods=names,
            options={name: settings[name] for name in names if settings[name]},
            **asked,
        )
        _check_targets(request)
        return request

    @classmethod
    def single(cls, **keywords: Unpack[RequestKeywords]) -> Request:
        """As `of`, for functions that take one method and its options as keywords."""
        given: dict[str, Any] = {**keywords}
        row = find_method(given.get("method") or "grad-cam")
        for name in {"methods", "options"} & set(given):
            check_options(row, {name: given[name]}, arguments=ARGUMENTS)
        return cls.of(**given)

    def settle(self, classifier: Classifier) -> Request:
        """Return the same request with the network's part filled in.

        Methods, layers and classes are those that will be used: names, and indices of classes.

        Raises:
            UnknownLayer, UnknownClass, OptionError, TargetError: the network has no such thing.
        """
        request = self._with_methods(classifier)
        known, classes, top = classifier.network.classes, self.classes, self.top
        if known is not None and self.target is None:
            classes = classes and indices_of(classifier, classes)
            top = None if classes or top is None else min(top, known)
        contrast = as_contrast(classifier, self.contrast, Top(1))
        return replace(
            request,
            top=top,
            classes=classes,
            contrast=None if contrast is None else _named(contrast),
            layer=layer_names(classifier, self.layer),
        )

    def _with_methods(self, classifier: Classifier) -> Request:
        """Return the same request with the method that the network, or the budget, decides."""
        if not self.methods:
            own = default_method(classifier, self.layer, target=self.target)
            return replace(self, methods=(own,))
        if self.budget is None:
            return self
        chosen = best_method(classifier, self.budget, layer=self.layer)
        options = {name: values for name, values in self.options.items() if name != BEST}
        if BEST in self.options:
            given = self.options[BEST]
            options[chosen] = check_options(METHODS[chosen], given, arguments=ARGUMENTS)
        names = tuple(dict.fromkeys(in_place_of_best(chosen, self.methods)))
        return replace(self, methods=names, options=options, budget=None)

    def bind(
        self, classifier: Classifier, count: int, *, targets: Targets | None = None
    ) -> Question:
        """Return the question to a network, for that many photos.

        Args:
            classifier: the network.
            count: photos.
            targets: what is explained, whatever the request says of classes.

        Raises:
            UnknownLayer, UnknownClass, OptionError, TargetError: the network has no such thing,
                or the lists of classes are not as many as the photos.
        """
        request = self.settle(classifier)
        options = {name: dict(request.options.get(name, {})) for name in request.methods}
        class_free = all(is_class_free(method, options[method.name]) for method in request.table)
        if targets is None:
            targets = as_targets(
                classifier,
                count,
                top=request.top,
                classes=request.classes,
                target=request.target,
                class_free=class_free,
            )
        return Question(
            classifier=classifier,
            request=request,
            methods=request.table,
            options=options,
            layers=request.layer or (),
            targets=targets,
            output=request.output,
            batch_size=request.batch_size,
            contrast=as_contrast(classifier, request.contrast, targets, class_free=class_free),
            execution=Execution(request.precision),
        )

    @property
    def best(self) -> int:
        """How many of the best classes of each photo are explained: 3 unless another is asked."""
        if self.classes is not None or self.target is not None:
            return 0
        return USUAL_TOP if self.top is None else self.top

    @property
    def table(self) -> tuple[Method, ...]:
        """The rows of METHODS that are named; none for the network's own default."""
        return tuple(METHODS[name] for name in self.methods if name in METHODS)

    def for_any_photo(self) -> Request:
        """Return the request without classes of single photos: their targets say which."""
        own = self.classes is not None and isinstance(self.classes[0], tuple)
        return replace(self, classes=None) if own else self

    def without_functions(self) -> Request:
        """Return the request with the names of functions in their places, which travel anywhere."""
        options = {
            method: {
                name: code.plain(value) if callable(value) else value
                for name, value in given.items()
            }
            for method, given in self.options.items()
        }
        layer = self.layer and tuple(map(_named_only, self.layer))
        return replace(self, options=options, target=code.plain(self.target), layer=layer)

    def as_dict(self) -> dict[str, Any]:
        """Return the request as plain JSON; equal requests are equal text.

        A function or an array is a dict that tells it from others, and cannot be read back.
        """
        plain = {field.name: code.plain(getattr(self, field.name)) for field in fields(self)}
        return plain | {
            "options": {
                method: {
                    name: code.plain_option(method, name, value) for name, value in values.items()
                }
                for method, values in self.options.items()
            }
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Request:
        """Return the request of `as_dict`, checked as `of` checks it.

        Raises:
            OptionError: it has a function or an array, of which only the name was written.
        """
        known = {field.name for field in fields(cls)}
        for name in stored:
            if name not in known:
                raise OptionError(f"A request has no '{name}'. Repeat it with this seewhy.")
        options = {
            method: {
                name: code.option_from_plain(method, name, value) for name, value in given.items()
            }
            for method, given in stored.get("options", {}).items()
        }
        asked = {
            name: code.from_plain(value, what=name)
            for name, value in stored.items()
            if name not in ("options", "methods")
        }
        return cls.of(methods=stored.get("methods") or None, options=options, **asked)

    @property
    def digest(self) -> str:
        """The SHA-256 of `as_dict`, as JSON with sorted keys."""
        text = json.dumps(self.as_dict(), sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def as_python(self, model: str, settings: Mapping[str, Any], photo: Any) -> str:
        """Return Python that asks exactly this.

        Args:
            model: the network's name, as for `seewhy.load`.
            settings: further arguments of `seewhy.load`: size, labels, preprocess.
            photo: a path.

        Raises:
            OptionError: there is a function or an array, which cannot be written as text.
        """
        return code.as_python(self, model, settings, photo)

    def as_command(
        self, model: str, settings: Mapping[str, Any], photo: Any, *, labels: Sequence[str] = ()
    ) -> str:
        """Return the command line that asks exactly this, quoted for a shell.

        Args:
            model, settings, photo: as for `as_python`.
            labels: of the network; where some are numbers, an index is written so that none of
                them is meant.

        Raises:
            OptionError: the command line cannot express it: a function, an array, labels that are
                in no file, or options that differ among methods.
        """
        return code.as_command(self, model, settings, photo, labels=labels)


_DEFAULTS: dict[str, Any] = {"method": None} | {
    attribute.name: attribute.default
    for attribute in fields(Request)
    if attribute.name not in ("methods", "options")
}


def with_keywords(
    kind: Any = RequestKeywords, *rows: Setting, **defaults: Any
) -> Callable[[Function], Function]:
    """Name every keyword of a request in a function's signature, for help and completion.

    Args:
        kind: `RequestKeywords`, or keywords of a function that has more.
        rows: settings among those that are more, with their defaults.
        defaults: of the others.
    """
    options = {option.name: option.default for row in METHODS.values() for option in row.options}
    own = {row.name: row.default for row in rows}
    defaults = {**_DEFAULTS, **options, **own, **defaults}

    return name_keywords(kind, defaults)


def _check_targets(request: Request) -> None:
    """Refuse what excludes each other, whatever the network."""
    exclusive = (request.top, request.classes, request.target)
    if sum(choice is not None for choice in exclusive) > 1:
        raise TargetError("'top', 'classes' and 'target' exclude each other. Give one of them.")
    target = request.target
    if target is not None and not callable(target):
        raise TargetError(
            f"A target is a callable on the network's output, not {target!r}. "
            "For classes use classes=[...]."
        )
    check_rest(request.output, target, request.contrast)
    if request.contrast is None:
        return
    table = request.table
    class_free = bool(table) and all(
        is_class_free(method, request.options.get(method.name, {})) for method in table
    )
    check_contrast(target, class_free=class_free)


def _named_only(layer: Any) -> Any:
    return layer if isinstance(layer, str) else code.plain(layer)


def _named(contrast: Contrast) -> tuple[Any, ...]:
    return contrast.rivals if isinstance(contrast, Against) else (SIMILAR,)
