"""A request as plain JSON, as Python, and as a command line."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import os
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy import ndarray

from seewhy.errors import OptionError
from seewhy.methods import METHODS
from seewhy.photos.fitting import Fit
from seewhy.settings import parse_sizes, shortened

Request = Any
"""`Request`, whose module imports this one."""

PLAIN_TYPES = (bool, int, float, str)


def plain(value: Any) -> Any:
    """Return a value as JSON; a function or an array as a dict that tells it from others.

    A pair within a list, or alone among the options, is the text '16x32': a list of sizes is
    another thing.
    """
    if value is None or isinstance(value, PLAIN_TYPES):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {str(name): plain(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, ndarray):
        digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return {"array": str(value.dtype), "shape": list(value.shape), "sha256": digest}
    name = getattr(value, "__qualname__", type(value).__qualname__)
    label = getattr(value, "label", None) or getattr(value, "name", None)
    module = getattr(value, "__module__", "")
    return {"object": f"{module}.{name}".removeprefix("."), "label": str(label or "")}


def plain_option(method: str, name: str, value: Any) -> Any:
    """Return an option's value as JSON; height and width of a patch as the text '16x32'."""
    kinds = (
        {option.name: option.type for option in METHODS[method].options}
        if method in METHODS
        else {}
    )
    return _sizes(value) if kinds.get(name) == "patch" else plain(value)


def _sizes(value: Any) -> Any:
    if isinstance(value, tuple):
        return "x".join(repr(plain(side)) for side in value)
    return [_sizes(size) for size in value] if isinstance(value, list) else plain(value)


def from_plain(value: Any, *, what: str) -> Any:
    """Return the value that `plain` was given; lists of a request are tuples.

    Raises:
        OptionError: it was a function or an array, of which only the name is known.
    """
    if isinstance(value, Mapping):
        raise OptionError(
            f"{what} was a function or an array, which is not stored. Give it again in Python."
        )
    return (
        tuple(from_plain(item, what=what) for item in value) if isinstance(value, list) else value
    )


def option_from_plain(method: str, name: str, value: Any) -> Any:
    """Return the value that `plain_option` was given.

    Raises:
        OptionError: it was a function or an array.
    """
    kinds = (
        {option.name: option.type for option in METHODS[method].options}
        if method in METHODS
        else {}
    )
    if kinds.get(name) == "patch":
        return [_size(patch) for patch in value] if isinstance(value, list) else _size(value)
    restored = from_plain(value, what=f"{name} of '{method}'")
    return list(restored) if isinstance(restored, tuple) else restored


def _size(value: Any) -> Any:
    return parse_sizes(value) if isinstance(value, str) else value


def as_python(request: Request, model: str, settings: Mapping[str, Any], photo: Any) -> str:
    """Return Python that asks exactly this: see `Request.as_python`."""
    given = {name: value for name, value in settings.items() if value is not None}
    loaded = [python(model), *_keywords(given)]
    asked = {
        field.name: getattr(request, field.name)
        for field in dataclasses.fields(request)
        if field.name not in ("methods", "options")
        and getattr(request, field.name) != field.default
    }
    for name in {"classes", "layer", "contrast"} & set(asked):
        asked[name] = _lists(asked[name])
    lines = ["import seewhy", "", f"classifier = seewhy.load({', '.join(loaded)})"]
    if len(request.methods) > 1:
        by_method = {name: dict(request.options[name]) for name in request.options}
        asked = {"methods": list(request.methods), **asked}
        asked |= {"options": by_method} if by_method else {}
        function, last = "compare", "for name, explanation in explanations.items():\n"
        last += '    explanation.save(f"why_{name}.png")'
        result = "explanations"
    else:
        (method,) = request.methods or (None,)
        asked = {"method": method, **asked} if method else asked
        asked |= request.options.get(method or "grad-cam", {})
        function, last, result = "explain", 'explanation.save("why.png")', "explanation"
    words = ", ".join(["classifier", python(os.fspath(photo)), *_keywords(asked)])
    return "\n".join([*lines, f"{result} = seewhy.{function}({words})", last])


def _keywords(values: Mapping[str, Any]) -> list[str]:
    return [f"{name}={python(value, what=name)}" for name, value in values.items()]


def _lists(value: tuple[Any, ...]) -> list[Any]:
    return [_lists(item) if isinstance(item, tuple) else item for item in value]


def python(value: Any, *, what: str = "it") -> str:
    """Return a value as Python, text in double quotes where nothing in it needs care.

    Raises:
        OptionError: it is a function or an array, which cannot be written.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, str):
        simple = value.isprintable() and not {'"', "\\"} & set(value)
        return f'"{value}"' if simple else repr(value)
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if value is None or isinstance(value, PLAIN_TYPES):
        return repr(value)
    if isinstance(value, Mapping):
        pairs = (f"{python(key)}: {python(entry, what=what)}" for key, entry in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return f"[{', '.join(python(item, what=what) for item in value)}]"
    if isinstance(value, tuple):
        parts = [python(item, what=what) for item in value]
        return f"({', '.join(parts)}{',' * (len(parts) == 1)})"
    if isinstance(value, Fit):
        given = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return f"seewhy.Fit({', '.join(_keywords(given))})"
    raise OptionError(
        f"{what} is {_article(value)}, which cannot be written as text. Repeat it in Python, where "
        "it is."
    )


def as_command(
    request: Request,
    model: str,
    settings: Mapping[str, Any],
    photo: Any,
    *,
    labels: Sequence[str] = (),
) -> str:
    """Return the command line that asks exactly this: see `Request.as_command`."""
    if request.target is not None:
        raise OptionError(
            "The command line explains classes, and this is a target of your own. Use Python."
        )
    words: list[str] = []

    def add(name: str, *values: str) -> None:
        for value in values:
            # A value that begins with a dash would be read as an option.
            words.extend([f"--{name}={value}"] if value.startswith("-") else [f"--{name}", value])

    if model != "built-in":
        add("model", model)
    for name, value in settings.items():
        if name in ("prompts", "template") and value is not None:
            texts = [value] if isinstance(value, str) else value
            add(name.removesuffix("s"), *(unsplit(text) for text in texts))
        elif value is not None:
            add(name, _setting(name, value))
    add("method", *([",".join(request.methods)] if request.methods else []))
    for name, value in _flat_options(request).items():
        add(name.replace("_", "-"), option_text(name, value))
    if request.budget is not None:
        add("budget", str(request.budget))
    if request.top is not None:
        add("top", str(request.top))
    add("class", *_classes(request.classes or (), labels))
    add("contrast", *_classes(request.contrast or (), labels))
    for layer in request.layer or ():
        if not isinstance(layer, str):
            raise OptionError(
                f"The layer is {_article(layer)}, and the command line knows layers by name. "
                "Name it."
            )
        add("layer", unsplit(layer))
    for name, default in (("output", "score"), ("zoom", 1), ("batch_size", None)):
        value = getattr(request, name)
        if value != default:
            add(name.replace("_", "-"), str(value))
    if request.precision != "float32":
        add("precision", request.precision)
    file = os.fspath(photo)
    file = os.path.join(".", file) if file.startswith("-") else file  # noqa: PTH118 - any text
    return shlex.join(["seewhy", "explain", file, *words])


def _setting(name: str, value: Any) -> str:
    """Return an argument of `seewhy.load` as the command line's text."""
    if name == "size" and isinstance(value, (list, tuple)):
        return "x".join(str(side) for side in value)
    if isinstance(value, (str, int, os.PathLike)):
        return str(value)
    if name == "fit" and isinstance(value, Fit) and value.interpolation == "bilinear":
        return value.mode + (f":{value.resize}" if value.resize else "")
    raise OptionError(
        f"{name} is {_article(value)}, which the command line cannot take. Use Python, or save it "
        "in a file."
    )


def _flat_options(request: Request) -> dict[str, Any]:
    """Return the options of all methods together.

    Raises:
        OptionError: one differs among the methods.
    """
    options: dict[str, Any] = {}
    for given in request.options.values():
        options |= given
    for name in options:
        values = [
            {**{option.name: option.default for option in METHODS[method].options}, **given}[name]
            for method in request.methods
            if method in METHODS
            for given in [request.options.get(method, {})]
            if name in {option.name for option in METHODS[method].options}
        ]
        if any(plain(value) != plain(values[0]) for value in values):
            raise OptionError(
                f"'{name}' differs among the methods, and the command line gives one value to all "
                "of them. Use Python."
            )
    return options


def option_text(name: str, value: Any) -> str:
    """Return an option's value as `Option.parse` reads it.

    Raises:
        OptionError: it is a function or an array, which cannot be written.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, tuple) and name != "fill":
        return "x".join(option_text(name, side) for side in value)
    if isinstance(value, (list, tuple)):
        return ",".join(option_text(name, item) for item in value)
    raise OptionError(
        f"{name} is {_article(value)}, which cannot be written as text. Repeat it in Python, where "
        "it is."
    )


def _classes(classes: Sequence[Any], labels: Sequence[str]) -> list[str]:
    """Return classes as `seewhy explain --class` finds them."""
    if classes and isinstance(classes[0], tuple):
        if len(classes) > 1:
            raise OptionError(
                "Each photo has its own classes, and the command line gives all photos the same. "
                "Use Python."
            )
        (classes,) = classes
    return [_class_text(query, labels) for query in classes]


def _class_text(query: str | int, labels: Sequence[str]) -> str:
    """Return a class as text: an index where its name would be read as two, for its comma."""
    if isinstance(query, str) and query in labels and split_at_commas(query):
        query = labels.index(query)
    return unsplit(query) if isinstance(query, str) else index_text(query, labels)


def split_at_commas(text: str) -> bool:
    """True where the command line reads one name as several: at commas without a space."""
    return "," in text.replace(", ", "")


def unsplit(text: str) -> str:
    """Return a name that the command line reads as one.

    Raises:
        OptionError: it has a comma without a space after it.
    """
    if split_at_commas(text):
        raise OptionError(
            f"{shortened(text)} has a comma, at which the command line divides names. Use Python."
        )
    return text


def index_text(index: int, labels: Sequence[str]) -> str:
    """Return an index as text that no label equals: '3', or '03' where a class is called '3'."""
    names = {label.strip() for label in labels}
    texts = (f"{index:0{width}}" for width in range(1, 10))
    return next((text for text in texts if text not in names), str(index))


def _article(value: Any) -> str:
    if isinstance(value, ndarray):
        return "an array"
    return "a function" if callable(value) else f"of type {type(value).__name__}"
