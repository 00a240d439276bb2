"""Names of networks, such as 'mobilenet?alpha=0.75&weights=FILE', and what they load."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from seewhy.classifier.familiarity import ReferenceFeatures
from seewhy.classifier.labels import LabelSource
from seewhy.errors import OptionError, nearest_names
from seewhy.photos.fitting import Fit
from seewhy.photos.preprocessing import Preprocess
from seewhy.settings import parse_value

SETTINGS = (
    "size", "preprocess", "labels", "layer", "fit", "channels", "device", "output", "prompts",
    "template", "neutral",
)  # fmt: skip
"""Settings after '?' that every network accepts; the rest goes to its builder."""

WORDS = {"true": True, "false": False, "none": None}


@dataclass(frozen=True)
class ModelName:
    """A parsed name.

    Attributes:
        text: the whole name, as it was written.
        base: the part before '?': 'mobilenet', 'torchvision:resnet50', a path.
        settings: the SETTINGS that the name contains.
        weights: 'none', a file, or a word that the network's family knows; None: not given.
        arguments: everything else after '?', for the builder.
    """

    text: str
    base: str
    settings: Mapping[str, str] = field(default_factory=dict)
    weights: str | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)

    @property
    def with_weights(self) -> str:
        """How weights are named, for messages."""
        mark = "&" if "?" in self.text else "?"
        return f"{self.text}{mark}weights=FILE (weights=none: random ones)"


@dataclass(frozen=True)
class LoadedModel:
    """A loaded network: the arguments of a `Classifier`, before the user's own settings.

    Attributes:
        model: the framework's model.
        size: of the input; None if the model fixes it, or it is unknown.
        preprocess, labels, layer, fit, references: as in `Classifier`.
        source: where the preprocessing comes from.
        tokenizer: of a network of images and texts, where it is not beside it.
    """

    model: Any
    size: tuple[int, int] | None = None
    preprocess: Preprocess | None = None
    labels: LabelSource | None = None
    layer: str | None = None
    fit: Fit | str | None = None
    source: str = ""
    references: ReferenceFeatures | None = None
    tokenizer: Any = None


def parse_name(text: str) -> ModelName:
    """Parse a name: 'BASE?name=value&name=value'; '%26' means '&' in a value.

    Raises:
        OptionError: a part after '?' is not 'name=value', or is given twice.
    """
    base, _, query = text.partition("?")
    parts: dict[str, str] = {}
    for part in filter(None, query.split("&")):
        name, equals, value = part.partition("=")
        if not (name and equals and value):
            raise OptionError(
                f"'{part}' in '{text}' is not a setting. Write NAME?name=value&name=value, "
                "for example mobilenet?alpha=0.75&weights=none"
            )
        if name in parts:
            raise OptionError(f"'{name}' is set twice in '{text}'. Set it once.")
        parts[name] = unquote(value)
    settings = {name: parts.pop(name) for name in SETTINGS if name in parts}
    weights = parts.pop("weights", None)
    return ModelName(text, base, settings, weights, parts)


def builder_arguments(
    name: ModelName, builder: Callable[..., Any], *, but: Collection[str] = ()
) -> dict[str, Any]:
    """Return the builder's arguments in a name, converted to the types that they look like.

    Args:
        name: the name; its `arguments` are 'true', 'false', 'none', numbers or words.
        builder: the function that makes the network.
        but: arguments of it that a name cannot set.

    Raises:
        OptionError: the builder has no such argument; the message lists those that it has.
    """
    parameters = inspect.signature(builder).parameters
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return {key: _value(value) for key, value in name.arguments.items()}
    known = [key for key in parameters if key not in but]
    for key in name.arguments:
        if key not in known:
            settings = [*SETTINGS, "weights"]
            near = nearest_names(key, [*known, *settings], count=1)
            raise OptionError(
                f"'{name.base}' has no setting '{key}'"
                + (f"; the nearest name is {near}" if near else "")
                + f". It has {', '.join([*known, *settings])}."
            )
    return {key: _value(value) for key, value in name.arguments.items()}


def _value(text: str) -> Any:
    return WORDS[text.lower()] if text.lower() in WORDS else parse_value(text)
