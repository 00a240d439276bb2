"""Networks that return several outputs: their names, and a call that returns one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from seewhy.errors import ModelError


def output_names(output: Any) -> tuple[str, ...]:
    """Return the names of several outputs: keys, fields, or '0', '1'; () for a single tensor."""
    if isinstance(output, Mapping):
        return tuple(map(str, output))
    if is_dataclass(output):
        return tuple(field.name for field in fields(output))
    if isinstance(output, tuple | list):
        return getattr(output, "_fields", tuple(map(str, range(len(output)))))
    return ()


def selecting(
    chosen: str, *, network: str, run: Callable[[Any, Any], Any]
) -> Callable[[Any, Any], Any]:
    """Return a call(model, images) that returns one of the model's outputs.

    Args:
        chosen: its name, or its number from 0.
        network: the network's name, for the message.
        run: calls the model.
    """

    def call(model: Any, images: Any) -> Any:
        output = run(model, images)
        names = output_names(output)
        place = int(chosen) if chosen.isdecimal() else None
        if chosen in names:
            place = names.index(chosen)
        if place is None or place >= len(names):
            has = f"Its outputs are {', '.join(names)}." if names else "It returns one output."
            raise ModelError(f"'{network}' has no output '{chosen}'. {has}")
        if isinstance(output, Mapping):
            return list(output.values())[place]
        return getattr(output, names[place]) if is_dataclass(output) else output[place]

    return call
