"""One setting as data, of whatever it is: a method, a recipe, a picture, a run, a command.

Tables of settings are literal; from their rows values are checked before anything runs, and
argparse, the page's fields and the tables of the docs are made. Nothing heavy is imported here:
`seewhy --help` builds its options from such tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, Literal

from seewhy.errors import OptionError
from seewhy.settings.values import (
    LARGEST_SIDE,
    fill_colour,
    is_beyond,
    is_real,
    is_whole,
    parse_fill,
    parse_sizes,
    parse_value,
    plain,
    shortened,
    sides_of,
    split_names,
)

SettingType = Literal[
    "integer", "number", "boolean", "choice", "text", "size", "patch", "fill", "image"
]
"""integer; number; boolean; choice: one of `range`; text: any words; size: (height, width) in
pixels; patch: pixels, a share or a pair (or a list of these, for several sweeps); fill: see
`seewhy.methods.fills.Fill`; image: one number, or an image in the network's input range."""

LARGEST_NUMBER = 1_000_000_000
"""The largest absolute value of a number whose range has no end: more is a slip of the hand."""

LARGEST_SEED = 2**32 - 1
"""The largest seed that Keras takes; the same for every random number."""

_WORDS = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "text": "a text",
    "size": "pixels (224), or height and width (224x320)",
    "patch": "pixels (32), a share of the input (0.15), or both for height and width (16x32)",
    "fill": "mean, grey, blur, a colour ('black', '#ff8000'), a grey value or red,green,blue",
    "image": "a number, or an image in the network's input range",
}

_TRUTH = {"true": True, "yes": True, "false": False, "no": False}


@dataclass(frozen=True)
class Setting:
    """What users may set: a row of a table.

    Attributes:
        name: the keyword in Python.
        type: see `SettingType`.
        default: as in the function; None if it depends on something else.
        help: a phrase of one line that describes it.
        range: (lowest, highest) of numbers, None for unbounded; the words of a choice.
        excludes: the ends of the range that are not in it: (0,) for "above 0".
        shown: the default in words, where its value does not say enough.
        metavar: the placeholder of a value in help texts; by default that of the type.
        or_function: True for a choice that may be a function as well.
        several: True where a list of such values is meant, separated by commas in a text.
        flag: the option on the command line, where it is not the name.
    """

    name: str
    type: SettingType
    default: Any
    help: str
    range: tuple[Any, ...] | None = None
    excludes: tuple[float, ...] = ()
    shown: str = ""
    metavar: str = ""
    or_function: bool = False
    several: bool = False
    flag: str = ""

    @property
    def limits(self) -> str:
        """The range of a number, in words: "1 or more", "0 to 1", "above 0, at most 1"."""
        lowest, highest = self.range or (None, None)
        if lowest is not None and highest is not None and not self.excludes:
            return f"{lowest:,} to {highest:,}"
        words = []
        if lowest is not None:
            words.append(f"above {lowest:,}" if lowest in self.excludes else f"{lowest:,} or more")
        if highest is not None:
            words.append(f"{'below' if highest in self.excludes else 'at most'} {highest:,}")
        return ", ".join(words)

    @property
    def expected(self) -> str:
        """The valid values, in words."""
        if self.type == "choice":
            return "one of " + ", ".join(self.range or ())
        return ", ".join(filter(None, (_WORDS[self.type], self.limits)))

    @property
    def described(self) -> str:
        """The phrase with the default in brackets."""
        return f"{self.help} (default: {self.usual})" if self.usual else self.help

    @property
    def usual(self) -> str:
        """The default in words; empty if there is none."""
        return self.shown or ("" if self.default in (None, "") else plain(self.default))

    def as_dict(self) -> dict[str, Any]:
        """Return name, type, default, range and help, ready for JSON."""
        return {
            "name": self.name,
            "type": self.type,
            "default": self.default,
            "range": None if self.range is None else list(self.range),
            "help": f"{self.help} ({self.shown})" if self.shown else self.help,
        }

    def check(self, value: Any, *, method: str | None = None) -> Any:
        """Return a valid value in its plain form: Python's own numbers, a size as a pair.

        None is valid where it is the default.

        Args:
            value: as given.
            method: whose option this is; None for settings of anything else.

        Raises:
            OptionError: the value is not valid; the message says which values are.
        """
        if value is None and self.default is None:
            return None
        if self.several and isinstance(value, list | tuple):
            return [replace(self, several=False).check(item, method=method) for item in value]
        if self.type == "fill":
            if not callable(value):
                fill_colour(value)
            return value
        checked = _CHECKS[self.type](self, value)
        if checked is None:
            whose = "" if method is None else f" for the method '{method}'"
            raise OptionError(
                f"{self.name}={shortened(value)} is not valid{whose}. {self.advice(value)}"
            )
        return checked

    def advice(self, value: Any) -> str:
        """Say what to give instead of a value that is not valid."""
        most = near = ""
        if self.type == "choice" and isinstance(value, str):
            nearest = get_close_matches(value, self.range or (), n=1, cutoff=0.7)
            near = f" The nearest is '{nearest[0]}'." if nearest else ""
        elif self.type in ("patch", "size") and is_beyond(value, LARGEST_SIDE):
            most = f", at most {LARGEST_SIDE:,} pixels"
        elif (self.range or (None, None))[1] is None and is_beyond(value, LARGEST_NUMBER):
            most = f", at most {LARGEST_NUMBER:,}"
        return f"Give {self.expected}{most}.{near}"

    def parse(self, text: str, *, method: str | None = None) -> Any:
        """Parse a value: '32', '16x32', '16,32', '255,128,0', 'blur'.

        Raises:
            OptionError: the text is not a valid value of this setting.
        """
        if self.several:
            single = replace(self, several=False)
            return [single.parse(part, method=method) for part in split_names(text)]
        value: Any = text
        if self.type == "patch":
            value = parse_sizes(text)
        elif self.type == "fill":
            value = parse_fill(text)
        elif self.type == "boolean":
            value = _TRUTH.get(text.lower(), text)
        elif self.type in ("integer", "number", "image"):
            value = parse_value(text)
        return self.check(value, method=method)


def check_all(settings: Iterable[Setting], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the value of every setting, checked; one that is missing or None has its default.

    Raises:
        OptionError: a value is not valid, or there is no such setting.
    """
    rows = {setting.name: setting for setting in settings}
    for name in values:
        if name not in rows:
            near = get_close_matches(name, rows, n=1, cutoff=0.6)
            hint = f" The nearest is '{near[0]}'." if near else ""
            raise OptionError(f"There is no setting '{name}'.{hint} There are: {', '.join(rows)}.")
    return {
        name: row.default if values.get(name) is None else row.check(values[name])
        for name, row in rows.items()
    }


def check_fields(instance: Any, rows: Sequence[Setting]) -> None:
    """Check the fields of a frozen dataclass by their rows; None becomes the default.

    Raises:
        OptionError: a value is not valid.
    """
    values = {row.name: getattr(instance, row.name) for row in rows}
    for name, value in check_all(rows, values).items():
        object.__setattr__(instance, name, value)


def _checked_number(setting: Setting, value: Any) -> Any:
    """Return a number of the setting's type and range, else None."""
    if not (is_whole(value) if setting.type == "integer" else is_real(value)):
        return None
    lowest, highest = setting.range or (None, None)
    lowest = -LARGEST_NUMBER if lowest is None else lowest
    highest = LARGEST_NUMBER if highest is None else highest
    if not lowest <= value <= highest or value in setting.excludes:  # NaN is in no range
        return None
    return int(value) if setting.type == "integer" else float(value)


def _checked_boolean(_: Setting, value: Any) -> bool | None:
    import numpy as np

    return bool(value) if isinstance(value, bool | np.bool_) else None


def _checked_choice(setting: Setting, value: Any) -> Any:
    if setting.or_function and callable(value):
        return value
    return value if isinstance(value, str) and value in (setting.range or ()) else None


def _checked_image(setting: Setting, value: Any) -> Any:
    if isinstance(value, str | bytes):
        return None
    is_array = isinstance(value, Sequence) or getattr(value, "ndim", 0) > 0
    return value if is_array else _checked_number(setting, value)


def _checked_size(_: Setting, value: Any) -> tuple[int, int] | None:
    sides = sides_of(value)
    return None if sides is None or is_beyond(sides, LARGEST_SIDE) else sides


def _checked_patch(_: Setting, value: Any) -> Any:
    return value if _is_patch(value) else None


def _is_patch(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(
            not isinstance(patch, list) and _is_patch(patch) for patch in value
        )
    sides = value if isinstance(value, tuple) and len(value) == 2 else (value,)
    return all(
        1 <= side <= LARGEST_SIDE if is_whole(side) else is_real(side) and 0 < side < 1
        for side in sides
    )


_CHECKS = {
    "integer": _checked_number,
    "number": _checked_number,
    "boolean": _checked_boolean,
    "choice": _checked_choice,
    "text": lambda _, value: value if isinstance(value, str) else None,
    "size": _checked_size,
    "patch": _checked_patch,
    "image": _checked_image,
}
"""For each type, a function of a setting and a value: the plain value, None if it is not valid."""
