"""Questions of the page, of any content: a question or a sentence, and never anything else."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from numpy.random import Generator

from seewhy.errors import OptionError
from seewhy.methods import METHODS
from seewhy.serving.notes import Note
from seewhy.serving.questions import PageQuestion, cover, read_json
from tests.colour_network import RED, RED_SPOT, colour_classifier, painted
from tests.fuzz.rule import CASES, violations

PHOTO = painted((RED_SPOT, RED))

ODD: tuple[Any, ...] = (
    None, True, -1, 0, 3, 1.5, 10**7, 10**20, 10**4000, 1e308, float("nan"), float("inf"), "", "x",
    "x; rm -rf ~ #", "16x32", "blur", "\ud800", "a" * 400, "\n", "best", "cells", "similar",
    [], [[]], [0], [0, 0], ["cam"], [1e9], {}, {"a": 1}, {"cam": {}}, {"rise": {"masks": 10**30}},
)  # fmt: skip
"""Values that belong nowhere, or somewhere else."""


def any_of(generator: Generator, values: Any) -> Any:
    return copy.deepcopy(values[int(generator.integers(len(values)))])  # callers change it


def question(generator: Generator) -> dict[str, Any]:
    """Return a question with some parts that are right and some that are not."""
    method = any_of(generator, list(METHODS))
    rows = METHODS[method].options
    request: dict[str, Any] = {"methods": [method], "classes": [0]}
    if rows:
        row = any_of(generator, rows)
        given = any_of(generator, (row.default, any_of(generator, ODD)))
        request["options"] = {method: {row.name: given}}
    body: dict[str, Any] = {"model": "colours", "photo": "x", "request": request}
    for part in ("squares", "place", "threshold", "filter", "photo", "request", "model"):
        if generator.random() < 0.15:
            body[part] = any_of(generator, ODD)
    if isinstance(body["request"], dict):
        for part in ("methods", "classes", "contrast", "layer", "top", "options", "target"):
            if generator.random() < 0.15:
                body["request"][part] = any_of(generator, ODD)
    if generator.random() < 0.1:
        body[any_of(generator, ("x", "__class__", "\ud800"))] = any_of(generator, ODD)
    return body


def damaged(generator: Generator, content: bytes) -> bytes:
    """Change, cut or leave the bytes."""
    way = generator.random()
    if way < 0.1:
        return content[: int(generator.integers(len(content)))]
    if way < 0.2:
        place = int(generator.integers(len(content)))
        return content[:place] + bytes([int(generator.integers(256))]) + content[place + 1 :]
    return content


def test_any_question_is_one_or_gets_a_sentence(tmp_path):
    classifier = colour_classifier()

    def ask(generator: Generator) -> None:
        content = json.dumps(question(generator)).encode()
        asked = PageQuestion.of(damaged(generator, content))
        cover(PHOTO, asked.squares)
        code = asked.request.as_python("built-in", {}, "cat.png")
        compile(code, "copied", "exec")
        json.dumps(asked.as_dict(), allow_nan=False).encode()
        asked.request.settle(classifier)

    assert violations(ask, CASES // 4, tmp_path) == []


def test_any_note_is_one_or_gets_a_sentence(tmp_path):
    def note(generator: Generator) -> None:
        body = {
            name: any_of(generator, ODD) for name in ("ticked", "note") if generator.random() < 0.9
        }
        content = json.dumps(body).encode()
        Note.of(read_json(damaged(generator, content)))

    assert violations(note, CASES // 10, tmp_path) == []


def test_what_is_valid_is_a_question():
    body = {"model": "m", "photo": "p", "request": {"methods": ["cam"], "classes": [0]}}
    assert PageQuestion.of(json.dumps(body).encode()).request.methods == ("cam",)
    with pytest.raises(OptionError) as caught:
        PageQuestion.of(b"[]")
    assert str(caught.value) == "The question is not a JSON object. Reload the page."
