"""The keywords that all functions that explain have in common: their types, and their checks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
from numpy import ndarray

from seewhy.errors import OptionError
from seewhy.explaining.question import (
    BEST,
    NETWORK_OPTIONS,
    check_options,
    find_method,
    is_best,
)
from seewhy.explaining.settings import QUESTION
from seewhy.incremental.kernels import Precision
from seewhy.methods import METHODS
from seewhy.networks.base import Output


class MethodOptions(TypedDict, total=False):
    """The options of all methods: see `seewhy.METHODS[method].options`."""

    patch: Any
    stride: Any
    fill: Any
    watch: Any
    reduction: Any
    engine: Any
    gaussian: bool
    layers: str
    masks: int
    grid: int
    probability: float
    seed: int
    samples: int
    noise: float
    distance: float
    steps: int
    baseline: Any
    similar: int
    strength: float


class MapKeywords(MethodOptions, total=False):
    """The keywords of a request that say how a map is made, whatever it explains."""

    method: str | None
    budget: int | None
    layer: Any
    output: Output
    zoom: int
    batch_size: int | None
    precision: Precision


class RequestKeywords(MapKeywords, total=False):
    """The keywords that all functions that explain have in common, as for `seewhy.explain`."""

    top: int | None
    classes: Any
    target: Any
    contrast: Any


ARGUMENTS = (
    *(
        annotation
        for annotation in RequestKeywords.__annotations__
        if annotation not in MethodOptions.__annotations__
    ),
    "progress",
)
"""The keywords that are no options of methods, for the hint in an error."""


def parted(
    keywords: Mapping[str, Any], own: Iterable[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a function's own keywords among those that were given, and those of the request."""
    names = {*own}
    return (
        {name: value for name, value in keywords.items() if name in names},
        {name: value for name, value in keywords.items() if name not in names},
    )


def method_name(given: Any, *, has_budget: bool) -> str:
    """Return a method's name in the table; "best" stays where its budget is not spent yet."""
    return BEST if has_budget and is_best(given) else find_method(given).name


def options_by_method(
    names: Sequence[str], by_method: Mapping[str, Mapping[str, Any]], own: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Return the checked options of each method, of those given by method and those of all."""
    options: dict[str, dict[str, Any]] = {name: {} for name in names}
    for name, given in by_method.items():
        key = method_name(name, has_budget=BEST in options)
        if key not in options:
            raise OptionError(
                f"Options were given for '{name}', which is not among the methods: "
                f"{', '.join(options)}. Add it, or leave its options out."
            )
        options[key] = dict(given) if key == BEST else check_options(METHODS[key], given)
    if len(names) <= 1:
        (name,) = names or ("grad-cam",)
        if name == BEST:
            options[BEST] |= own
        else:
            options.setdefault(name, {}).update(
                check_options(METHODS[name], own, arguments=ARGUMENTS)
            )
        return options
    known = {name: _known_options(name) for name in names}
    for option, value in own.items():
        having = [name for name in names if option in known[name]]
        if not having:
            has = "; ".join(f"{name}: {', '.join(_own(name)) or 'none'}" for name in names)
            raise OptionError(
                f"None of the methods that run has an option '{option}'. They have: {has}."
            )
        for name in having:
            options[name] |= check_options(METHODS[name], {option: value})
    return options


def _own(name: str) -> list[str]:
    return [option.name for option in METHODS[name].options] if name in METHODS else []


def _known_options(name: str) -> set[str]:
    return {*_own(name), *(option.name for option in NETWORK_OPTIONS)}


def checked(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same arguments, those of the table `QUESTION` checked and in plain form.

    Raises:
        OptionError: one is not valid.
    """
    return {**asked, **{row.name: row.check(asked[row.name]) for row in QUESTION}}


def several(given: Any) -> tuple[Any, ...]:
    """Return one or several as a tuple."""
    values = given if isinstance(given, (list, tuple, ndarray)) else [given]
    return tuple(map(_scalar, values))


def _scalar(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
