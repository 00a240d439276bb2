"""A setting refuses what is not valid in one sentence, reads text, and describes itself."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from seewhy.errors import OptionError
from seewhy.settings import (
    LARGEST_NUMBER,
    LARGEST_SIDE,
    Setting,
    as_size,
    check_all,
    fill_colour,
    parse_fill,
    parse_sizes,
)

COUNT = Setting("count", "integer", 5, "how many", (1, None))
SHARE = Setting("share", "number", 0.5, "how much", (0, 1))
RATE = Setting("rate", "number", 0.1, "how fast", (0, 1), excludes=(0,))
SPLIT = Setting("split", "number", 0.1, "held out", (0, 1), excludes=(0, 1))
FREE = Setting("shift", "number", 0.0, "by this")
FLAG = Setting("flip", "boolean", True, "mirrored")
WORD = Setting("output", "choice", "score", "explained", ("score", "probability", "rest"))
NAME = Setting("name", "text", "", "of the run")
SIZE = Setting("size", "size", None, "of photos", shown="the network's own")
PATCH = Setting("patch", "patch", None, "the window", shown="1/7")
FILL = Setting("fill", "fill", "mean", "the cover")
IMAGE = Setting("baseline", "image", 0.0, "the start")
EVERY = (COUNT, SHARE, RATE, SPLIT, FREE, FLAG, WORD, NAME, SIZE, PATCH, FILL, IMAGE)

TWENTY = 10**20


@pytest.mark.parametrize(
    ("setting", "value", "plain"),
    [
        (COUNT, np.int64(3), 3),
        (SHARE, np.float32(0.5), 0.5),
        (SHARE, 1, 1.0),
        (RATE, 1.0, 1.0),
        (FREE, -2.5, -2.5),
        (FLAG, np.False_, False),
        (WORD, "rest", "rest"),
        (SIZE, 224, (224, 224)),
        (SIZE, "224x320", (224, 320)),
        (SIZE, [8, 12], (8, 12)),
        (SIZE, None, None),
        (PATCH, 32, 32),
        (PATCH, (16, 0.5), (16, 0.5)),
        (PATCH, [16, (8, 4)], [16, (8, 4)]),
        (FILL, [255, 128, 0], [255, 128, 0]),
        (IMAGE, 0.5, 0.5),
    ],
)
def test_a_valid_value_comes_back_as_pythons_own(setting: Setting, value: Any, plain: Any) -> None:
    found = setting.check(value)
    assert found == plain
    assert type(found) is type(plain)


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        (COUNT, 0, "count=0 is not valid. Give a whole number, 1 or more."),
        (COUNT, 5.0, "count=5.0 is not valid. Give a whole number, 1 or more."),
        (COUNT, "5", "count='5' is not valid. Give a whole number, 1 or more."),
        (COUNT, True, "count=True is not valid. Give a whole number, 1 or more."),
        (COUNT, None, "count=None is not valid. Give a whole number, 1 or more."),
        (COUNT, [5], "count=[5] is not valid. Give a whole number, 1 or more."),
        (
            COUNT,
            TWENTY,
            "count=100000000000000000000 is not valid. Give a whole number, 1 or more, at most "
            "1,000,000,000.",
        ),
        (
            COUNT,
            float("inf"),
            "count=inf is not valid. Give a whole number, 1 or more, at most 1,000,000,000.",
        ),
        (SHARE, float("nan"), "share=nan is not valid. Give a number, 0 to 1."),
        (SHARE, float("inf"), "share=inf is not valid. Give a number, 0 to 1."),
        (SHARE, 10**400, None),
        (RATE, 0, "rate=0 is not valid. Give a number, above 0, at most 1."),
        (SPLIT, 1, "split=1 is not valid. Give a number, above 0, below 1."),
        (FREE, -1e20, "shift=-1e+20 is not valid. Give a number, at most 1,000,000,000."),
        (FLAG, 1, "flip=1 is not valid. Give true or false."),
        (
            WORD,
            "probabilty",
            "output='probabilty' is not valid. Give one of score, probability, rest. The nearest "
            "is 'probability'.",
        ),
        (WORD, "heat", "output='heat' is not valid. Give one of score, probability, rest."),
        (WORD, max, None),
        (NAME, 3, "name=3 is not valid. Give a text."),
        (SIZE, 5.5, "size=5.5 is not valid. Give pixels (224), or height and width (224x320)."),
        (SIZE, (1, 2, 3), None),
        (
            SIZE,
            (TWENTY, 8),
            "size=(100000000000000000000, 8) is not valid. Give pixels (224), or height and width "
            "(224x320), at most 16,384 pixels.",
        ),
        (
            PATCH,
            TWENTY,
            "patch=100000000000000000000 is not valid. Give pixels (32), a share of the input "
            "(0.15), or both for height and width (16x32), at most 16,384 pixels.",
        ),
        (PATCH, [], None),
        (PATCH, 1.0, None),
        (PATCH, "32", None),
        (IMAGE, TWENTY, None),
        (IMAGE, "grey", None),
        (
            FILL,
            TWENTY,
            "fill 100000000000000000000 is not a valid colour. Give one grey value, or three for "
            "red, green and blue, each a whole number from 0 to 255.",
        ),
    ],
)
def test_an_invalid_value_is_told_in_one_sentence(
    setting: Setting, value: Any, message: str | None
) -> None:
    with pytest.raises(OptionError) as caught:
        setting.check(value)
    if message is not None:
        assert str(caught.value) == message
    assert str(caught.value).endswith(".")
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("setting", EVERY, ids=lambda one: one.name)
@pytest.mark.parametrize(
    "value",
    [
        *(TWENTY, -TWENTY, 10**400, float("inf"), float("nan"), 1e300, 2 + 1j, b"1", object()),
        *("", "x", "9" * 5000, {}, [None], [[1]], (), {1: 2}, np.zeros((2, 2)), range(3)),
    ],
    ids=lambda value: str(type(value).__name__),
)
def test_whatever_is_given_is_valid_or_an_option_error(setting: Setting, value: Any) -> None:
    try:
        setting.check(value)
    except OptionError as error:
        assert "\n" not in str(error)  # noqa: PT017


@pytest.mark.parametrize("setting", EVERY, ids=lambda one: one.name)
@pytest.mark.parametrize(
    "text", ["", " ", "x", "1x", "1x2x3", ",", "9" * 400, "-1", "nan", "inf", "rgb(999,0,0)", "\0"]
)
def test_whatever_text_is_parsed_or_an_option_error(setting: Setting, text: str) -> None:
    try:
        setting.parse(text)
    except OptionError as error:
        assert "\n" not in str(error)  # noqa: PT017


def test_a_number_of_thousands_of_digits_is_told_without_its_digits() -> None:
    with pytest.raises(OptionError) as caught:
        COUNT.check(10**5000)
    assert str(caught.value) == (
        "count=(a number of thousands of digits) is not valid. Give a whole number, 1 or more, at "
        "most 1,000,000,000."
    )


def test_the_largest_numbers_of_an_open_range_are_in_it() -> None:
    assert COUNT.check(LARGEST_NUMBER) == LARGEST_NUMBER
    assert PATCH.check(LARGEST_SIDE) == LARGEST_SIDE
    assert SIZE.check(LARGEST_SIDE) == (LARGEST_SIDE, LARGEST_SIDE)


def test_the_method_whose_option_it_is_is_named() -> None:
    with pytest.raises(OptionError) as caught:
        COUNT.check(0, method="rise")
    assert str(caught.value) == (
        "count=0 is not valid for the method 'rise'. Give a whole number, 1 or more."
    )


def test_a_choice_may_also_be_a_function_where_it_says_so() -> None:
    choice = Setting("reduction", "choice", "max", "of channels", ("max", "mean"), or_function=True)
    assert choice.check(np.median) is np.median


@pytest.mark.parametrize(
    ("setting", "text", "value"),
    [
        (COUNT, "7", 7),
        (SHARE, "0.25", 0.25),
        (FLAG, "true", True),
        (FLAG, "No", False),
        (WORD, "rest", "rest"),
        (NAME, "7", "7"),
        (SIZE, "224x320", (224, 320)),
        (PATCH, "16x32", (16, 32)),
        (PATCH, "16,32,64", [16, 32, 64]),
        (FILL, "255,128,0", [255, 128, 0]),
        (FILL, "blur", "blur"),
        (IMAGE, "0.5", 0.5),
    ],
)
def test_text_is_read_as_people_write_it(setting: Setting, text: str, value: Any) -> None:
    assert setting.parse(text) == value


def test_sizes_and_fills_are_read_as_people_write_them() -> None:
    assert parse_sizes("32") == 32
    assert parse_sizes("0.15") == 0.15
    assert parse_sizes("16x32") == (16, 32)
    assert parse_sizes("16,32,64") == [16, 32, 64]
    assert parse_fill("255,128,0") == [255, 128, 0]
    assert parse_fill("blur") == "blur"
    with pytest.raises(OptionError, match=r"^'big' is not a size\. Give pixels \(32\)"):
        parse_sizes("big")


@pytest.mark.parametrize("size", [5.5, TWENTY, "9" * 20, (TWENTY, 3), float("nan")])
def test_an_input_size_of_twenty_digits_is_refused(size: Any) -> None:
    with pytest.raises(OptionError, match=r"is not a valid input size\. Give pixels: 224"):
        as_size(size)


def test_colours_are_three_values_and_what_depends_on_the_photo_is_none() -> None:
    assert fill_colour("grey") == (128, 128, 128)
    assert fill_colour("#ff8000") == (255, 128, 0)
    assert fill_colour(7) == (7, 7, 7)
    assert fill_colour("mean") is None
    with pytest.raises(OptionError, match=r"^fill \(300, 0, 0\) is not a valid colour\. "):
        fill_colour((300, 0, 0))


def test_the_description_names_the_default() -> None:
    assert COUNT.described == "how many (default: 5)"
    assert SIZE.described == "of photos (default: the network's own)"
    assert FLAG.described == "mirrored (default: yes)"
    assert NAME.described == "of the run"


def test_a_setting_is_plain_json() -> None:
    assert json.loads(json.dumps(PATCH.as_dict())) == {
        "name": "patch",
        "type": "patch",
        "default": None,
        "range": None,
        "help": "the window (1/7)",
    }


def test_a_table_fills_in_defaults_and_refuses_what_it_does_not_have() -> None:
    assert check_all((COUNT, SHARE), {"share": 0.25, "count": None}) == {"count": 5, "share": 0.25}
    with pytest.raises(OptionError) as caught:
        check_all((COUNT, SHARE), {"shar": 0.25})
    assert str(caught.value) == (
        "There is no setting 'shar'. The nearest is 'share'. There are: count, share."
    )
