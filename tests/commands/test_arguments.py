"""What is wrong with an option is told before a framework is loaded."""

from __future__ import annotations

import subprocess
import sys

import pytest

from seewhy.commands import cli
from seewhy.commands.parsing import CommandParser, add_settings, values_of
from seewhy.settings import Setting

FRAMEWORKS = ("keras", "tensorflow", "torch", "jax")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--batch-size", "-1"], "--batch-size: -1 is not valid. Give a whole number, 1 or more."),
        (["--batch-size", "x"], "--batch-size: 'x' is not valid. Give a whole number, 1 or more."),
        (["--top", "0"], "--top: 0 is not valid. Give a whole number, 1 or more."),
        (
            ["--top", "9" * 20],
            f"--top: {'9' * 20} is not valid. Give a whole number, 1 or more, at most "
            "1,000,000,000.",
        ),
        (["--opacity", "3"], "--opacity: 3 is not valid. Give a number, 0 to 1."),
        (["--opacity", "nan"], "--opacity: nan is not valid. Give a number, 0 to 1."),
        (["--columns", "0"], "--columns: 0 is not valid. Give a whole number, 1 to 1,000."),
        (["--smooth", "-1"], "--smooth: -1 is not valid. Give a number, 0 or more."),
        (
            ["--percentile", "300"],
            "--percentile: 300 is not valid. Give a number, above 0, at most 100.",
        ),
        (["--opacity", "much"], "--opacity: 'much' is not valid. Give a number, 0 to 1."),
        (
            ["--output", "probabilty"],
            "--output: 'probabilty' is not valid. Give one of score, probability, rest. The "
            "nearest is 'probability'.",
        ),
    ],
)
def test_numbers_out_of_range_are_wrong_usage_told_in_one_line(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["explain", "a.jpg", *options])
    assert caught.value.code == 2
    assert capsys.readouterr().err == (
        f"seewhy explain: error: argument {message} All options: seewhy explain --help\n"
    )


def test_an_option_that_is_not_known_is_answered_with_the_nearest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["explain", "a.jpg", "--tpo", "3"])
    assert caught.value.code == 2
    assert capsys.readouterr().err == (
        "seewhy explain: error: There is no option '--tpo'. The nearest is '--top'. "
        "All options: seewhy explain --help\n"
    )


@pytest.mark.parametrize(
    ("texts", "names"),
    [
        (["cat,dog"], ["cat", "dog"]),
        (["cat", "dog,282"], ["cat", "dog", "282"]),
        (["tabby, tabby cat", "fox"], ["tabby, tabby cat", "fox"]),
        (["cat,"], ["cat"]),
        ([], None),
    ],
)
def test_names_are_repeated_or_separated_by_commas(
    texts: list[str], names: list[str] | None
) -> None:
    args = ["explain", "a.jpg", *(word for text in texts for word in ("--class", text))]
    assert cli.build_parser().parse_args(args).classes == names


EVERY = (Setting("depth", "integer", 2, "how deep", (1, 9)), Setting("flip", "boolean", None, "?"))


def test_a_setting_is_an_option_with_its_help_its_type_and_its_default() -> None:
    parser = CommandParser(prog="made")
    add_settings(parser, *EVERY, Setting("look", "boolean", True, "look", flag="--blind"))
    assert vars(parser.parse_args([])) == {"depth": 2, "flip": None, "look": True}
    args = parser.parse_args(["--depth", "3", "--no-flip", "--blind"])
    assert vars(args) == {"depth": 3, "flip": False, "look": False}
    assert values_of(parser.parse_args([]), EVERY) == {"depth": 2}
    assert "--depth N          how deep (default: 2)\n" in parser.format_help()


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_help_of_every_command_names_no_python_value(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main([command.replace("_", "-"), "--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for word in ("None", "True", "False", "()", "(default: )", "OPTION_"):
        assert word not in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--size", "big"], "size 'big' is not a valid "),
        (["--preprocess", "caffee"], "There is no preprocessing 'caffee'; the nearest name is "),
        (["--labels", "nowhere.txt"], "The labels nowhere.txt cannot be read: No such file"),
        (["--model", "built-in?fit=round"], "There is no fit 'round'."),
        (["--method", "occlusion", "--fill", "nan"], "fill nan is not a valid colour."),
        (["--method", "occlusion", "--fill", "1.5"], "fill 1.5 is not a valid colour."),
        (["--method", "smooth-grad", "--option", "samples=abc"], "samples='abc' is not valid"),
        (
            ["--colormap", "jett"],
            "Matplotlib has no colour map 'jett'. The nearest names are 'jet' and 'jet_r'. Choose "
            "turbo, viridis, inferno, for-against, or another of matplotlib's.",
        ),
        (["--method", "grad-kam"], "There is no method 'grad-kam'."),
        (["--model", "m" * 300], "There is no network 'mmm"),
    ],
)
def test_settings_that_no_network_could_take_load_no_framework(
    options: list[str], message: str
) -> None:
    code = (
        "import sys; from seewhy.commands.cli import main; code = main(sys.argv[1:]);"
        f"loaded = set(sys.modules) & set({FRAMEWORKS});"
        "sys.exit(f'loaded {loaded}' if loaded else code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "explain", __file__, *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"seewhy: {message}" in done.stderr
    assert "loaded" not in done.stderr
    assert "Traceback" not in done.stderr
