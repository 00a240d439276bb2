"""Checks of options that several methods share."""

from __future__ import annotations

from seewhy.errors import OptionError


def at_least_one(name: str, value: int) -> int:
    """Return a count as it is.

    Raises:
        OptionError: it is no whole number, or below 1.
    """
    if int(value) != value or value < 1:
        raise OptionError(f"{name}={value} is no count. Give a whole number, 1 or more.")
    return int(value)
