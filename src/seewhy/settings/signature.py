"""Functions that take keywords of a table: each of them is named in the signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


def name_keywords(kind: Any, defaults: Mapping[str, Any]) -> Callable[[Function], Function]:
    """Name the keywords of a `TypedDict` in a function's signature, for help and completion.

    Args:
        kind: the keywords, which the function takes as `**keywords: Unpack[kind]`.
        defaults: by name.
    """

    def named(function: Function) -> Function:
        signature = inspect.signature(function)
        own = [
            parameter
            for parameter in signature.parameters.values()
            if parameter.kind is not parameter.VAR_KEYWORD
        ]
        names = {parameter.name for parameter in own}
        names |= {"method"} if "methods" in names else set()
        keywords = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=defaults[name],
                annotation=annotation,
            )
            for name, annotation in kind.__annotations__.items()
            if name not in names
        ]
        signature = signature.replace(parameters=[*own, *keywords])
        function.__signature__ = signature  # type: ignore[attr-defined]
        return function

    return named
