"""Odd words for every option of the commands that explain photos."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import re
from pathlib import Path

import numpy as np
import pytest
from numpy.random import Generator
from PIL import Image

from seewhy.commands import cli
from seewhy.methods import METHODS
from seewhy.zoo.names import LoadedModel, ModelName
from tests.fuzz.mutations import word
from tests.fuzz.rule import CASES, violations
from tests.linear_network import LinearNetwork

COMMANDS = ("explain", "locate", "evaluate", "feature-maps")
NOT_TRIED = {"help", "model", "debug", "json"}


@pytest.fixture(autouse=True)
def _linear_network_in_an_empty_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def find(_: ModelName, __: tuple[int, int] | None) -> LoadedModel:
        return LoadedModel(
            LinearNetwork(), preprocess="unit", labels=["red", "green", "\x1b[31mblue"]
        )

    module = importlib.import_module("seewhy.zoo.load")
    monkeypatch.setattr(module, "_find", find)
    monkeypatch.setattr(module, "backend_in_use", lambda _: "numpy")
    monkeypatch.chdir(tmp_path)
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[10:30, 20:40, 1] = 200
    Image.fromarray(pixels).save("photo.png")


def options_of(command: str) -> list[argparse.Action]:
    """Return the options of a command, those that only its use adds among them."""
    (subparsers,) = (
        action
        for action in cli.build_parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    parser = subparsers.choices[command]
    with contextlib.suppress(SystemExit), contextlib.redirect_stderr(None):
        parser.parse_known_args([])
    return [one for one in parser._actions if one.option_strings and one.dest not in NOT_TRIED]


def test_any_word_for_any_option_is_taken_or_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    options = {command: options_of(command) for command in COMMANDS}
    done = 0

    def case(generator: Generator) -> None:
        nonlocal done
        command = COMMANDS[int(generator.integers(len(COMMANDS)))]
        arguments = [command, "photo.png"]
        if command == "feature-maps":
            arguments.append("--layer=maps")  # the linear network has no kernels to choose by
        elif generator.random() < 0.5:
            method = str(generator.choice(list(METHODS)))
            arguments.append(f"--method={method}")
            if method == "rise":
                arguments.append("--masks=200")  # of 4000 passes, locate's three take seconds
        for _ in range(int(generator.integers(1, 4))):
            option = options[command][int(generator.integers(len(options[command])))]
            value = word(generator)
            if option.choices and generator.random() < 0.7:
                value = str(generator.choice(list(option.choices)))
            elif isinstance(option.default, int | float | str) and generator.random() < 0.3:
                value = str(option.default)  # what is valid lets odd words of others get further
            flag = option.option_strings[0]
            arguments.append(flag if option.nargs == 0 else f"{flag}={value}")
        code: object = 2
        with contextlib.suppress(SystemExit):
            try:
                code = cli.main(arguments)
            except Exception as error:
                raise AssertionError(f"{arguments} gave {type(error).__name__}") from error
        done += code == 0
        printed = "".join(capfd.readouterr())
        assert code in (0, 1, 2), arguments
        assert "Traceback" not in printed, arguments
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", printed), arguments

    found = violations(case, CASES // 10, tmp_path)
    assert not found
    assert done > CASES // 200, done
