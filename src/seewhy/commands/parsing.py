"""How settings become arguments of a command, and how their values come back.

A command is a module with HELP, DESCRIPTION, `add_arguments` and `run`. Its arguments are added
when it is used, so that `seewhy --help` needs no table of a room above the ground floor.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from seewhy.errors import OptionError, nearest_names
from seewhy.settings import Setting

METAVARS = {
    "integer": "N",
    "number": "X",
    "boolean": "{true,false}",
    "patch": "P",
    "fill": "F",
    "image": "X",
    "size": "HxW",
}
"""The placeholder of a value in help texts, by the type of the setting."""

FORMATS = ("png", "jpg", "pdf")


class CommandParser(argparse.ArgumentParser):
    """A parser whose errors are one line, and which adds its arguments when it is used."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self.when_used: Callable[[argparse.ArgumentParser], None] | None = None
        self.has_arguments = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Add the deferred arguments, then parse; refuse what a command does not know."""
        if self.when_used is None:
            return super().parse_known_args(args, namespace)
        if not self.has_arguments:
            self.when_used(self)
            self.has_arguments = True
        known, unknown = super().parse_known_args(args, namespace)
        if unknown:
            name = unknown[0].partition("=")[0]
            near = nearest_names(name, self._option_string_actions, count=1)
            hint = f" The nearest is {near}." if name.startswith("-") and near else ""
            self.error(f"There is no option '{name}'.{hint}")
        return known, unknown

    def error(self, message: str) -> NoReturn:
        """Write one line, without the usage, and exit."""
        end = "" if message.endswith((".", "?")) else "."
        self.exit(2, f"{self.prog}: error: {message}{end} All options: {self.prog} --help\n")


def add_settings(parser: argparse._ActionsContainer, *rows: Setting) -> None:
    """Add an option for each setting.

    A boolean that is true by default has a flag of its own, which makes it false and whose help is
    "do not" and that of the setting; one without a default has two flags, --flip and --no-flip.
    """
    for row in rows:
        flag = row.flag or "--" + row.name.replace("_", "-")
        words = row.described
        if row.type == "boolean" and row.default is not None:
            words = f"do not {row.help}" if row.default else row.help
        facts: dict[str, Any] = {"dest": row.name, "help": words.replace("%", "%%")}
        if row.type == "boolean":
            switch = "store_false" if row.default else "store_true"
            facts["action"] = argparse.BooleanOptionalAction if row.default is None else switch
        else:
            words = "{" + ",".join(row.range or ()) + "}" if row.type == "choice" else ""
            facts |= {
                "action": "extend" if row.several else "store",
                "type": reader(row),
                "default": row.default,
                "metavar": row.metavar or words or METAVARS.get(row.type),
            }
        parser.add_argument(flag, **facts)


def add_group(parser: argparse.ArgumentParser, title: str, *rows: Setting) -> None:
    """Add the settings under a heading of the help text."""
    add_settings(parser.add_argument_group(title), *rows)


def add_photos(
    parser: argparse.ArgumentParser, *, words: str = "files, folders or globs", nargs: str = "+"
) -> None:
    """Add the photos that a command takes."""
    parser.add_argument("photos", nargs=nargs, metavar="PHOTO", help=words)


def results(folder: str, *, formats: str = "png") -> tuple[Setting, ...]:
    """Return --out and --format of a command that writes pictures."""
    return (
        Setting("out", "text", folder, "the folder for pictures", metavar="DIR"),
        Setting("format", "choice", formats, "format of pictures", FORMATS),
    )


def reader(row: Setting) -> Callable[[str], Any]:
    """Return a parser of a setting's text, for `type=` of an argument."""

    def read(text: str) -> Any:
        try:
            return row.parse(text)
        except OptionError as error:
            words = str(error).removeprefix(f"{row.name}=").removesuffix(".")
            raise argparse.ArgumentTypeError(words) from error

    return read


def values_of(args: argparse.Namespace, rows: Iterable[Setting]) -> dict[str, Any]:
    """Return the settings by name; what is None has the function's own default and is left out."""
    values = {row.name: getattr(args, row.name) for row in rows}
    return {name: value for name, value in values.items() if value is not None}
