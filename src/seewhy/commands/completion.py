"""`seewhy completion`: what a shell needs to complete commands, options and their values."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass

from seewhy.commands.parsing import CommandParser

HELP = "print what bash, zsh or fish needs to complete commands and options"
DESCRIPTION = """\
Print a shell's completion. bash: eval "$(seewhy completion bash)" in ~/.bashrc. zsh: seewhy
completion zsh > a file named _seewhy in a folder of $fpath. fish: seewhy completion fish >
~/.config/fish/completions/seewhy.fish."""


@dataclass(frozen=True)
class Option:
    """One option of a command.

    Attributes:
        flag: the longest: "--format".
        help: one phrase.
        takes_value: whether a value follows.
        words: the values that it may have; empty for any, such as files.
    """

    flag: str
    help: str
    takes_value: bool
    words: tuple[str, ...]


Options = dict[str, tuple[str, list[Option]]]
"""By command: its help, and its options."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the shell."""
    parser.add_argument("shell", choices=tuple(SHELLS), help="bash, zsh or fish")


def run(args: argparse.Namespace) -> int:
    """Print the completion of a shell."""
    sys.stdout.write(SHELLS[args.shell](options_of_commands()))
    return 0


def options_of_commands() -> Options:
    """Return the options of every command, as its parser has them from the tables of settings."""
    from seewhy.commands.cli import build_parser

    (commands,) = (
        action
        for action in build_parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    helps = {action.dest: action.help or "" for action in commands._choices_actions}
    options_of = {}
    for name, parser in commands.choices.items():
        assert isinstance(parser, CommandParser)
        assert parser.when_used is not None
        parser.when_used(parser)
        options = [_option(action) for action in parser._actions if action.option_strings]
        options_of[name] = helps[name], options
    return options_of


def _option(action: argparse.Action) -> Option:
    metavar = str(action.metavar or "")
    words = action.choices or (
        metavar.strip("{}").split(",") if metavar.startswith("{") and "," in metavar else ()
    )
    if action.dest in ("method", "methods"):
        from seewhy.methods import METHODS

        words = tuple(METHODS)
    elif action.dest == "model":
        from seewhy.zoo import models

        words = tuple(models())
    text = " ".join((action.help or "").replace("%%", "%").split())
    return Option(
        action.option_strings[-1], text, action.nargs != 0, tuple(str(word) for word in words)
    )


def _bash(commands: Options) -> str:
    values = [
        f"        {name}\\ {option.flag}) words='{' '.join(option.words)}';;\n"
        for name, (_, options) in commands.items()
        for option in options
        if option.words
    ]
    flags = [
        f"        {name}) words='{' '.join(option.flag for option in options)}';;\n"
        for name, (_, options) in commands.items()
    ]
    return (
        "_seewhy() {\n"
        "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words=\n"
        f"    if [ $COMP_CWORD = 1 ]; then words='{' '.join(commands)}'; fi\n"
        '    case "${COMP_WORDS[1]} $before" in\n' + "".join(values) + "    esac\n"
        '    if [ -z "$words" ] && [[ $word == -* ]]; then case "${COMP_WORDS[1]}" in\n'
        + "".join(flags)
        + "    esac; fi\n"
        '    COMPREPLY=($(compgen -W "$words" -- "$word"))\n'
        "}\n"
        "complete -o default -F _seewhy seewhy\n"
    )


def _zsh(commands: Options) -> str:
    lines = ["#compdef seewhy\n", "if (( CURRENT == 2 )); then\n", "    local -a commands=(\n"]
    for name, (text, _) in commands.items():
        lines.append(f"        {_quoted(f'{name}:{text}')}\n")
    lines += ["    )\n", "    _describe command commands\n", "    return\n", "fi\n"]
    lines += ["local name=$words[2]\n", "shift words; (( CURRENT-- ))\n", "case $name in\n"]
    for name, (_, options) in commands.items():
        specs = []
        for option in options:
            text = option.help.replace("[", "(").replace("]", ")").replace(":", ".")
            values = f"({' '.join(option.words)})" if option.words else "_files"
            ending = f": :{values}" if option.takes_value else ""
            specs.append(_quoted(f"*{option.flag}[{text}]{ending}"))
        lines.append(f"    {name}) _arguments {' '.join(specs)} '*:file:_files';;\n")
    return "".join([*lines, "esac\n"])


def _fish(commands: Options) -> str:
    lines = []
    for name, (text, options) in commands.items():
        lines.append(
            f"complete -c seewhy -n __fish_use_subcommand -f -a {name} -d {_quoted(text)}\n"
        )
        for option in options:
            flag = f"-l {option.flag.removeprefix('--')}"
            value = " -x -a " + _quoted(" ".join(option.words)) if option.words else " -r"
            lines.append(
                f"complete -c seewhy -n '__fish_seen_subcommand_from {name}' {flag}"
                f"{value if option.takes_value else ''} -d {_quoted(option.help)}\n"
            )
    return "".join(lines)


def _quoted(text: str) -> str:
    """Return a text that no shell of the three interprets: in quotes, without quotes."""
    return "'" + text.replace("'", "’").replace("\\", "") + "'"


SHELLS: dict[str, Callable[[Options], str]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}
"""What is printed for each shell."""
